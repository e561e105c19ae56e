import type { TaskRetention } from '../../driver/queue-settings.ts'
import type { TaskAdmin } from '../../driver/task-admin.ts'
import { endTask, removeTask } from './ending.ts'
import { forgetIfIdle, givePlaces } from './places.ts'
import type { Kept, Queue, TaskTable } from './task-table.ts'

/** How much of each kind one step does. */
const MOST = 1_000

/** A step of upkeep. */
export function sweep(table: TaskTable, at: number): Awaited<ReturnType<TaskAdmin['sweep']>> {
  const expired = expire(table, at)
  const removed = removeEnded(table, at)
  const windows = closeWindows(table, at)
  // What still owes tokens goes to the end, so that the next step looks at others.
  for (const key of [...table.idleKeys].slice(0, MOST)) forgetIfIdle(table, key, at)
  for (const queue of table.queues.values()) forgetTurns(queue, at)
  return { removed, expired, more: expired === MOST || removed === MOST || windows === MOST }
}

function expire(table: TaskTable, at: number): number {
  let count = 0
  while (count < MOST) {
    const task = table.expiring.peek()
    if (task?.expiresAt === undefined || task.expiresAt > at) break
    endTask(table, task, { as: 'expired', at })
    count += 1
  }
  givePlaces(table, at)
  return count
}

function removeEnded(table: TaskTable, at: number): number {
  let removed = 0
  for (const { kept, keptDead, settings } of table.queues.values()) {
    removed += trim(table, kept, settings.keep, { at, most: MOST - removed })
    removed += trim(table, keptDead, settings.keepDead, { at, most: MOST - removed })
  }
  return removed
}

function trim(
  table: TaskTable,
  kept: Kept,
  { ageMs, count, bytes }: TaskRetention,
  { at, most }: { readonly at: number; readonly most: number },
): number {
  let removed = 0
  for (const task of kept.tasks) {
    const isTooOld = (task.endedAt ?? at) <= at - ageMs
    if (removed >= most || !(isTooOld || kept.tasks.size > count || kept.bytes > bytes)) break
    removeTask(table, task)
    removed += 1
  }
  return removed
}

function closeWindows({ windows }: TaskTable, at: number): number {
  let count = 0
  while (count < MOST) {
    const holder = windows.peek()
    if (holder === undefined || holder.endsAt > at) break
    windows.pop()
    holder.queue.dedupe.delete(holder.dedupe.key)
    count += 1
  }
  return count
}

function forgetTurns({ turns, settings }: Queue, at: number): void {
  let count = 0
  for (const [name, turn] of turns) {
    count += 1
    if (count > MOST) break
    if (turn + settings.fairMs <= at) turns.delete(name)
  }
}
