import type { QueueSettings, TaskRate } from '../../driver/queue-settings.ts'
import type { TaskAdmin } from '../../driver/task-admin.ts'
import { createBucket } from './bucket.ts'
import { givePlaces } from './places.ts'
import { heapOfTasks, queueNamed, waitingOrder, type Queue, type TaskTable } from './task-table.ts'

/** Stores the settings of a queue if nobody was faster, and lets what waited at a limit that is now wider move up. */
export function putQueue(
  table: TaskTable,
  { name, expectedVersion, settings, note }: Parameters<TaskAdmin['putQueue']>[0],
  at: number,
): { readonly version: number } | undefined {
  if ((table.queues.get(name)?.version ?? 0) !== expectedVersion) return undefined
  const queue = queueNamed(table, name)
  const before = queue.settings
  queue.version += 1
  queue.settings = structuredClone(settings)
  queue.note = note
  if (!isSameRate(before.rate, settings.rate)) {
    queue.bucket = settings.rate === undefined ? undefined : createBucket(settings.rate, at)
  }
  applyToKeys(table, queue, before, at)
  table.changed.add(name)
  return { version: queue.version }
}

/** Removes a queue without tasks. */
export function removeQueue(table: TaskTable, name: string): boolean {
  const queue = table.queues.get(name)
  if (queue === undefined || Object.values(queue.counts).some((count) => count > 0)) return false
  for (const key of queue.keys.values()) table.idleKeys.delete(key)
  for (const holder of queue.dedupe.values()) if (holder.index >= 0) table.windows.remove(holder)
  return table.queues.delete(name)
}

function applyToKeys(table: TaskTable, queue: Queue, before: QueueSettings, at: number): void {
  const { order, rate } = queue.settings.key
  for (const key of queue.keys.values()) {
    if (!isSameRate(before.key.rate, rate)) key.bucket = rate === undefined ? undefined : createBucket(rate, at)
    if (before.key.order !== order) {
      const waiting = [...key.waiting.items()]
      key.waiting = heapOfTasks(waitingOrder(order))
      for (const task of waiting) key.waiting.push(task)
    }
    table.touched.add(key)
  }
  if (!isSameRate(before.key.rate, rate)) letHeldAskAgain(queue, at)
  givePlaces(table, at)
}

/** What is held for a token of the former rate is due now, and held anew if it must be. */
function letHeldAskAgain({ delayed }: Queue, at: number): void {
  const held = delayed.items().filter(({ delayedBy }) => delayedBy === 'rate')
  for (const task of held) {
    delayed.remove(task)
    task.dueAt = at
    delayed.push(task)
  }
}

function isSameRate(one: TaskRate | undefined, other: TaskRate | undefined): boolean {
  return one?.limit === other?.limit && one?.perMs === other?.perMs
}
