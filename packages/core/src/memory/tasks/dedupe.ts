import type { NewTask, TaskDedupe } from '../../driver/task.ts'
import { putOff, reposition } from './places.ts'
import { hasEnded, type Holder, type Queue, type Task, type TaskTable } from './task-table.ts'

/** The task that holds the dedupe key of a new one, changed as this one wants it; undefined when the new one is to be added. */
export function renewHolder(
  table: TaskTable,
  queue: Queue,
  { added, dedupe, at }: { readonly added: NewTask; readonly dedupe: TaskDedupe; readonly at: number },
): Task | undefined {
  const holder = queue.dedupe.get(dedupe.key)
  if (holder === undefined || holder.endsAt <= at) return undefined
  const { task } = holder
  if (dedupe.mode === 'keep') return task
  if (task.starts > 0 || hasEnded(task)) return undefined
  reposition(table, task, () => {
    table.bytes += added.body.length - task.body.length
    task.body = added.body
    task.headStartMs = added.headStartMs
    task.expiresAt = added.expiresInMs === undefined ? undefined : at + added.expiresInMs
  })
  if (dedupe.mode === 'debounce') {
    task.time = at + Math.max(0, added.delayMs)
    putOff(table, task, { delayMs: added.delayMs, by: 'delay', at })
  }
  return task
}

/** From now on the task holds its dedupe key, whoever held it before. */
export function holdDedupe(table: TaskTable, task: Task, dedupe: TaskDedupe, at: number): void {
  const { queue } = task
  const before = queue.dedupe.get(dedupe.key)
  if (before !== undefined && before.index >= 0) table.windows.remove(before)
  const endsAt = dedupe.until === 'window' ? at + (dedupe.windowMs ?? 0) : Infinity
  const holder: Holder = { queue, dedupe, task, endsAt, index: -1 }
  queue.dedupe.set(dedupe.key, holder)
  if (endsAt !== Infinity) table.windows.push(holder)
}

/** Frees the dedupe key of a task, if it holds it until then. */
export function freeDedupe({ queue, dedupeKey, id }: Task, reached: 'start' | 'end'): void {
  if (dedupeKey === undefined) return
  const holder = queue.dedupe.get(dedupeKey)
  if (holder?.task.id !== id) return
  if (holder.dedupe.until === 'start' || holder.dedupe.until === reached) queue.dedupe.delete(dedupeKey)
}
