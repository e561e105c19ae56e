import type { NewTask, TaskDedupe } from '@millrace/core/driver'
import { BLOCKED, hasEnded, RUNNING } from '../../task-state.ts'
import type { WriterState } from '../writer-state.ts'
import type { QueueState } from './queue-cache.ts'
import { postpone, rerank } from './rerank.ts'
import { handByNumber, type TaskHand } from './task-hand.ts'

/**
 * Looks whether the dedupe key of a new task is held; the id of the holder when the new one is not to be added. A holder that has
 * not started takes over what the new one brings, if the mode says so.
 */
export function dedupeTask(state: WriterState, queue: QueueState, task: NewTask, now: number): string | undefined {
  const { dedupe, id } = task
  if (dedupe === undefined) return undefined
  const held = state.sql.get<{ n: number; id: string; until: number | null }>(
    'SELECT n, id, until FROM task_dedupe WHERE queue = ? AND key = ?',
    queue.id,
    dedupe.key,
  )
  if (held === undefined || (held.until !== null && held.until <= now)) return undefined
  // A resend of the holder itself is no duplicate.
  if (held.id === id) return undefined
  if (state.sql.get('SELECT 1 FROM tasks WHERE id = ?', id) !== undefined) return undefined
  if (dedupe.mode === 'keep') return held.id
  const holder = handByNumber(state, held.n)
  if (holder === undefined || holder.id !== held.id || !isReplaceable(holder)) return undefined
  replace(state, holder, task, now)
  return held.id
}

/** Whether somebody holds the dedupe key of a task. */
export function isDedupeHeld(state: WriterState, { queue, dedupe }: NewTask, now: number): boolean {
  if (dedupe === undefined) return false
  const held = state.sql.get<{ until: number | null }>(
    'SELECT d.until FROM task_dedupe d JOIN task_queues q ON q.id = d.queue WHERE q.name = ? AND d.key = ?',
    queue,
    dedupe.key,
  )
  return held !== undefined && (held.until === null || held.until > now)
}

/** A task that was added holds its key; who held it before holds it no more. */
export function holdDedupe(
  state: WriterState,
  added: {
    readonly queue: number
    readonly n: number
    readonly id: string
    readonly dedupe: TaskDedupe
    readonly now: number
  },
): void {
  const { queue, n, id, dedupe, now } = added
  state.sql.run(
    `INSERT INTO task_dedupe (queue, key, n, id, until) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT DO UPDATE SET n = ?3, id = ?4, until = ?5`,
    queue,
    dedupe.key,
    n,
    id,
    dedupe.until === 'window' ? now + Math.ceil(dedupe.windowMs ?? 0) : null,
  )
}

function isReplaceable({ state, starts }: TaskHand): boolean {
  return !hasEnded(state) && state !== RUNNING && starts === 0
}

function replace(state: WriterState, holder: TaskHand, task: NewTask, now: number): void {
  state.sql.run('UPDATE tasks SET body = ? WHERE n = ?', task.body, holder.n)
  holder.expires = task.expiresInMs === undefined ? null : now + task.expiresInMs
  const time = holder.rank + holder.headStart
  if (task.dedupe?.mode !== 'debounce') return rerank(state, holder, { time, headStart: task.headStartMs })
  const due = now + task.delayMs
  if (holder.state !== BLOCKED) return postpone(state, holder, { due, headStart: task.headStartMs, now })
  holder.due = due
  rerank(state, holder, { time: due, headStart: task.headStartMs })
}
