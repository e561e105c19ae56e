import type { TaskError } from '@millrace/core/driver'
import { BLOCKED, CANCELLED, DEAD, DONE, EXPIRED, hasEnded, RUNNING } from '../../task-state.ts'
import type { WriterState } from '../writer-state.ts'
import { arrive, detach, leavePlace } from './places.ts'
import type { Kept, QueueState } from './queue-cache.ts'
import { handOf, handsWhere, moveCount, saveError, saveHand, type TaskHand } from './task-hand.ts'

/** How a task ends. */
export interface Ending {
  readonly as: 'done' | 'dead' | 'cancelled' | 'expired'
  readonly output?: string | undefined
  readonly error?: TaskError | undefined
  readonly now: number
}

const STATES = { done: DONE, dead: DEAD, cancelled: CANCELLED, expired: EXPIRED } as const
const BYTES = 'octet_length(body) + ifnull(octet_length(output), 0) + ifnull(octet_length(stack), 0)'

/**
 * Ends a task that has not ended, wherever it is; of one that runs, the row of `task_running` must be gone. Places that become
 * free are given later, see `givePlaces`.
 */
export function endTask(state: WriterState, hand: TaskHand, { as, output, error, now }: Ending): void {
  const queue = state.tasks.queues.byId(hand.queue)
  const before = hand.state
  detach(state, hand)
  leavePlace(state, hand)
  moveCount(state, hand, STATES[as])
  saveHand(state, hand)
  state.sql.run(
    'UPDATE tasks SET ended = ?, end_order = ?, output = ? WHERE n = ?',
    now,
    state.tasks.queues.nextNumber(),
    output ?? null,
    hand.n,
  )
  if (error !== undefined) saveError(state, hand.n, error)
  if (before !== RUNNING) letGo(state, hand, 'start')
  letGo(state, hand, 'end')
  state.tasks.touch(queue)
  if (hand.awaited === 0) keep(state, hand)
  if (hand.children > 0) releaseChildren(state, hand, before === BLOCKED, now)
  if (hand.parent !== null) tellParent(state, hand, as, now)
}

/** Lets go of the dedupe key that a task holds until the moment named. */
export function letGo(
  state: WriterState,
  { dedupe, holds, queue, n }: Pick<TaskHand, 'n' | 'queue' | 'dedupe' | 'holds'>,
  moment: 'start' | 'end',
): void {
  if (dedupe === null || holds !== moment) return
  state.sql.run('DELETE FROM task_dedupe WHERE queue = ? AND key = ? AND n = ?', queue, dedupe, n)
}

/** Lets a blocked task go on when its children have ended. */
export function unblock(state: WriterState, hand: TaskHand, now: number): void {
  if (hand.state !== BLOCKED) return
  if (hand.pending > 0) return saveHand(state, hand)
  hand.due = Math.max(hand.due, now)
  arrive(state, hand, now)
}

/** Cancels what does not run, and asks what does. */
export function cancelTask(state: WriterState, hand: TaskHand, now: number): void {
  if (hand.state !== RUNNING) return endTask(state, hand, { as: 'cancelled', now })
  state.sql.run('UPDATE task_running SET cancelling = 1 WHERE n = ?', hand.n)
  state.tasks.touch(state.tasks.queues.byId(hand.queue))
}

/** What the queue keeps of tasks that have ended as this one. */
export function keptOf(queue: QueueState, state: number): Kept {
  return state === DEAD ? queue.dead : queue.kept
}

/** Takes an ended task out of what retention looks at. */
export function unkeep(
  state: WriterState,
  { n, queue: id, state: ended }: Pick<TaskHand, 'n' | 'queue' | 'state'>,
): void {
  const queue = state.tasks.queues.byId(id)
  const kept = keptOf(queue, ended)
  kept.count -= 1
  kept.bytes -= bytesOf(state, n)
  queue.changed = true
}

/** Removes a task that has ended and is kept, with its lines and progress. */
export function removeEnded(state: WriterState, hand: Pick<TaskHand, 'n' | 'queue' | 'state'>): void {
  unkeep(state, hand)
  const { counts } = state.tasks.queues.byId(hand.queue)
  counts[hand.state] = (counts[hand.state] ?? 0) - 1
  removeTasks(state, [hand.n])
}

/** Removes the rows of tasks, with their lines and progress. */
export function removeTasks({ sql }: WriterState, numbers: readonly number[]): void {
  if (numbers.length === 0) return
  const list = JSON.stringify(numbers)
  sql.run('DELETE FROM tasks WHERE n IN (SELECT value FROM json_each(?))', list)
  for (const table of ['task_progress', 'task_logs']) {
    // Most tasks say nothing of themselves.
    if (sql.get(`SELECT 1 FROM ${table} LIMIT 1`) === undefined) continue
    sql.run(`DELETE FROM ${table} WHERE n IN (SELECT value FROM json_each(?))`, list)
  }
}

/** A task that has ended falls to retention; a queue that keeps nothing does not leave it to the sweep. */
function keep(state: WriterState, hand: Pick<TaskHand, 'n' | 'queue' | 'state'>): void {
  const queue = state.tasks.queues.byId(hand.queue)
  const kept = keptOf(queue, hand.state)
  kept.count += 1
  kept.bytes += bytesOf(state, hand.n)
  queue.changed = true
  const { count } = hand.state === DEAD ? queue.settings.keepDead : queue.settings.keep
  if (count === 0) removeEnded(state, hand)
}

function bytesOf({ sql }: WriterState, n: number): number {
  return sql.get<{ bytes: number }>(`SELECT ${BYTES} AS bytes FROM tasks WHERE n = ?`, n)?.bytes ?? 0
}

/** The children of a task that has ended fall to retention; if it never started, what is left of them is cancelled. */
function releaseChildren(state: WriterState, { id }: TaskHand, wasBlocked: boolean, now: number): void {
  state.sql.run('UPDATE tasks SET awaited = 0 WHERE parent = ?', id)
  for (const { id: childId } of handsWhere(state, 't.parent = ? ORDER BY t.place_in_flow', id)) {
    // What was cancelled just before may have changed it.
    const child = handOf(state, childId)
    if (child === undefined) continue
    if (hasEnded(child.state)) keep(state, child)
    else if (wasBlocked) cancelTask(state, child, now)
  }
}

function tellParent(state: WriterState, child: TaskHand, as: Ending['as'], now: number): void {
  const parent = handOf(state, child.parent ?? '')
  if (parent === undefined || parent.pending === 0) return
  parent.pending -= 1
  if (parent.state !== BLOCKED) {
    state.sql.run('UPDATE tasks SET pending = ? WHERE n = ?', parent.pending, parent.n)
  } else if (as !== 'done' && parent.failFast === 1) {
    endTask(state, parent, { as: 'dead', error: childFailed(state, child, as), now })
  } else unblock(state, parent, now)
}

function childFailed(state: WriterState, { id, name }: TaskHand, as: string): TaskError {
  const row = state.sql.get<{ name: string }>('SELECT name FROM task_names WHERE id = ?', name)
  return {
    code: 'task_child_failed',
    message: `The child ${id} (${row?.name ?? ''}) ended as ${as}.`,
    stack: undefined,
    fingerprint: 'task_child_failed',
  }
}
