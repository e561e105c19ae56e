import type { TaskRetention } from '@millrace/core/driver'
import { CANCELLED, DEAD, DONE, EXPIRED } from '../../task-state.ts'
import type { WriterState } from '../writer-state.ts'
import { endTask, keptOf, removeTasks } from './ending.ts'
import { givePlaces } from './places.ts'
import { giveWiderPlaces } from './queue-settings.ts'
import type { QueueState } from './queue-cache.ts'
import type { Touched } from './task-cache.ts'
import { handsWhere } from './task-hand.ts'

/** How much of each kind one step does. */
const MOST = 1_000

/** What a step of upkeep has done. */
export interface Swept {
  readonly removed: number
  readonly expired: number
  readonly more: boolean
  readonly touched: Touched
}

/** A step of upkeep: small enough that what runs beside it hardly notices. */
export function sweepTasks(state: WriterState): Swept {
  const now = Math.floor(state.now())
  const expired = expire(state, now)
  let removed = 0
  let turns = 0
  for (const { id } of state.sql.all<{ id: number }>('SELECT id FROM task_queues')) {
    const queue = state.tasks.queues.byId(id)
    removed += trim(state, queue, {
      states: [DONE, CANCELLED, EXPIRED],
      bounds: queue.settings.keep,
      now,
      most: MOST - removed,
    })
    removed += trim(state, queue, { states: [DEAD], bounds: queue.settings.keepDead, now, most: MOST - removed })
    turns += forgetTurns(state, queue, now)
    widen(state, queue, now)
  }
  const windows = state.sql.run(
    `DELETE FROM task_dedupe WHERE (queue, key) IN (
       SELECT queue, key FROM task_dedupe WHERE until IS NOT NULL AND until <= ? ORDER BY until LIMIT ${MOST})`,
    now,
  )
  const keys = forgetKeys(state, now)
  state.sql.run('DELETE FROM task_workers WHERE held = 0')
  const more = [expired, removed, turns, windows, keys].some((count) => count >= MOST)
  return { removed, expired, more, touched: state.tasks.finish() }
}

function expire(state: WriterState, now: number): number {
  const late = handsWhere(
    state,
    `t.expires IS NOT NULL AND t.ended IS NULL AND t.expires <= ? AND r.n IS NULL ORDER BY t.expires LIMIT ${MOST}`,
    now,
  )
  let expired = 0
  for (const { n } of late) {
    // One of them may have ended with its parent.
    const [hand] = handsWhere(state, 't.n = ? AND t.ended IS NULL', n)
    if (hand === undefined) continue
    endTask(state, hand, { as: 'expired', now })
    expired += 1
  }
  givePlaces(state, now)
  return expired
}

const SELECT_ENDED = `
  SELECT n, ended, end_order, octet_length(body) + ifnull(octet_length(output), 0) + ifnull(octet_length(stack), 0), state
  FROM tasks WHERE queue = ? AND state = ? AND ended IS NOT NULL AND awaited = 0 ORDER BY end_order LIMIT ?`

type Ended = [n: number, ended: number, endOrder: number, bytes: number, state: number]

/** Removes the oldest of what has ended beyond what the queue keeps. */
function trim(
  state: WriterState,
  queue: QueueState,
  what: {
    readonly states: readonly number[]
    readonly bounds: TaskRetention
    readonly now: number
    readonly most: number
  },
): number {
  const { states, bounds, now, most } = what
  const kept = keptOf(queue, states[0] ?? DONE)
  if (most === 0 || kept.count <= 0) return 0
  const isBeyond = (ended: number): boolean =>
    kept.count > bounds.count || kept.bytes > bounds.bytes || ended <= now - bounds.ageMs
  const [oldest] = oldestEnded(state, queue, states, 1)
  if (oldest === undefined || !isBeyond(oldest[1])) return 0
  const removed: number[] = []
  for (const [n, ended, , bytes, as] of oldestEnded(state, queue, states, most)) {
    if (!isBeyond(ended)) break
    kept.count -= 1
    kept.bytes -= bytes
    queue.counts[as] = (queue.counts[as] ?? 0) - 1
    removed.push(n)
  }
  queue.changed = true
  removeTasks(state, removed)
  return removed.length
}

/** The first that have ended, in the order of their ends. */
function oldestEnded({ sql }: WriterState, queue: QueueState, states: readonly number[], limit: number): Ended[] {
  const present = states.filter((state) => (queue.counts[state] ?? 0) > 0)
  const found = present.map((state) => sql.arrays<Ended>(SELECT_ENDED, queue.id, state, limit))
  if (found.length === 1) return found[0] ?? []
  return found
    .flat()
    .toSorted((one, other) => one[2] - other[2])
    .slice(0, limit)
}

/** What a tenant that has its turn behind it would get anyway need not be remembered. */
function forgetTurns({ sql }: WriterState, { id, settings }: QueueState, now: number): number {
  return sql.run(
    `DELETE FROM task_tenants WHERE (queue, tenant, head_start) IN (
       SELECT queue, tenant, head_start FROM task_tenants WHERE queue = ? AND at <= ? LIMIT ${MOST})`,
    id,
    now - Math.ceil(settings.fairMs),
  )
}

/** Keys without tasks whose bucket is full look like those that were never used. */
function forgetKeys(state: WriterState, now: number): number {
  state.tasks.keys.save()
  const forgotten = state.sql.run(
    `DELETE FROM task_keys WHERE (queue, key) IN (
       SELECT queue, key FROM task_keys WHERE held = 0 AND waiting = 0 AND rate_at <= ? LIMIT ${MOST})`,
    now,
  )
  if (forgotten > 0) state.tasks.keys.clear()
  return forgotten
}

/** Looks at some of the keys that wait, each time at others: their limit may have become wider. */
function widen(state: WriterState, queue: QueueState, now: number): void {
  const after = state.tasks.lookedAt.get(queue.id) ?? ''
  const last = giveWiderPlaces(state, queue, after, now)
  if (last === undefined) state.tasks.lookedAt.delete(queue.id)
  else state.tasks.lookedAt.set(queue.id, last)
}
