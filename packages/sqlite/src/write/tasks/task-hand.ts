import type { TaskError } from '@millrace/core/driver'
import { READY, RUNNING, SUSPECT } from '../../task-state.ts'
import type { WriterState } from '../writer-state.ts'

/** A task that is being moved: its row without the texts. `state` is `RUNNING` while it runs. */
export interface TaskHand {
  readonly n: number
  readonly id: string
  state: number
  readonly queue: number
  readonly name: number
  rank: number
  headStart: number
  due: number
  starts: number
  attempts: number
  crashes: number
  readonly children: number
  pending: number
  readonly failFast: number
  /** 1 while it has a place of its key. */
  placed: number
  /** Its order among those that wait for its key. */
  turn: number
  why: number
  started: number | null
  expires: number | null
  readonly key: string | null
  readonly dedupe: string | null
  /** Until when it holds its dedupe key: `start`, `end` or `window`. */
  readonly holds: string | null
  readonly parent: string | null
  /** 1 while its parent has not ended. */
  awaited: number
  readonly bytes: number
  readonly runs: number | null
}

const SELECT = `
  SELECT t.n, t.id, t.state, t.queue, t.name, t.rank, t.head_start AS headStart, t.due, t.starts, t.attempts, t.crashes,
    t.children, t.pending, t.fail_fast AS failFast, t.placed, t.turn, t.why, t.started, t.expires, t.key, t.dedupe, t.holds,
    t.parent, t.awaited, octet_length(t.body) + ifnull(octet_length(t.output), 0) + ifnull(octet_length(t.stack), 0) AS bytes,
    r.starts AS runs
  FROM tasks t LEFT JOIN task_running r ON r.n = t.n`
const SAVE = `
  UPDATE tasks SET state = ?2, rank = ?3, head_start = ?4, due = ?5, starts = ?6, attempts = ?7, crashes = ?8, pending = ?9,
    placed = ?10, turn = ?11, why = ?12, started = ?13, expires = ?14, awaited = ?15 WHERE n = ?1`
const SAVE_ERROR = 'UPDATE tasks SET code = ?, message = ?, stack = ?, fingerprint = ? WHERE n = ?'

/** A task by its id. */
export function handOf(state: WriterState, id: string): TaskHand | undefined {
  return asRunning(state.sql.get<TaskHand>(`${SELECT} WHERE t.id = ?`, id))
}

/** A task by its number. */
export function handByNumber(state: WriterState, n: number): TaskHand | undefined {
  return asRunning(state.sql.get<TaskHand>(`${SELECT} WHERE t.n = ?`, n))
}

/** Tasks that a condition over `t` and `r` finds. */
export function handsWhere(state: WriterState, condition: string, ...values: (string | number)[]): TaskHand[] {
  const hands = state.sql.all<TaskHand>(`${SELECT} WHERE ${condition}`, ...values)
  for (const hand of hands) asRunning(hand)
  return hands
}

/** Writes what can change of a row. */
export function saveHand(state: WriterState, hand: TaskHand): void {
  const { n, rank, headStart, due, starts, attempts, crashes, pending, placed, turn, why, started, expires } = hand
  const stored = hand.state === RUNNING ? READY : hand.state
  const counts = [starts, attempts, crashes, pending, placed, turn, why] as const
  state.sql.prepared(SAVE).run(n, stored, rank, headStart, due, ...counts, started, expires, hand.awaited)
}

/** Writes the last failure of a task. */
export function saveError(state: WriterState, n: number, error: TaskError): void {
  state.sql.run(SAVE_ERROR, error.code, error.message, error.stack ?? null, error.fingerprint, n)
}

/** Takes a task out of the table of those that can be claimed, if it is there. */
export function leaveReady(
  state: WriterState,
  { queue, state: now, name, rank, n }: Pick<TaskHand, 'queue' | 'state' | 'name' | 'rank' | 'n'>,
): void {
  if (now !== READY && now !== SUSPECT) return
  state.sql.run(
    'DELETE FROM task_ready WHERE queue = ? AND suspect = ? AND name = ? AND rank = ? AND n = ?',
    queue,
    now === SUSPECT ? 1 : 0,
    name,
    rank,
    n,
  )
}

/** Puts a task among those that can be claimed, since when it could be. */
export function enterReady(
  state: WriterState,
  { queue, state: now, name, rank, n, starts }: Pick<TaskHand, 'queue' | 'state' | 'name' | 'rank' | 'n' | 'starts'>,
  since: number,
): void {
  state.sql.run(
    'INSERT INTO task_ready (queue, suspect, name, rank, n, starts, since) VALUES (?, ?, ?, ?, ?, ?, ?)',
    queue,
    now === SUSPECT ? 1 : 0,
    name,
    rank,
    n,
    starts,
    since,
  )
}

/** Moves the task to another state in the counts of its queue. */
export function moveCount(state: WriterState, hand: TaskHand, to: number): void {
  const queue = state.tasks.queues.byId(hand.queue)
  queue.counts[hand.state] = (queue.counts[hand.state] ?? 0) - 1
  queue.counts[to] = (queue.counts[to] ?? 0) + 1
  queue.changed = true
  hand.state = to
}

function asRunning<Hand extends TaskHand | undefined>(hand: Hand): Hand {
  if (hand !== undefined && hand.runs !== null) {
    hand.state = RUNNING
    hand.starts = hand.runs
  }
  return hand
}
