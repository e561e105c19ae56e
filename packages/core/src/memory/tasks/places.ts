import { createBucket, refill, untilTokens } from './bucket.ts'
import {
  hasEnded,
  heapOfTasks,
  isBefore,
  keyNamed,
  type Key,
  type Queue,
  type Task,
  type TaskTable,
} from './task-table.ts'
import type { IndexedHeap } from './indexed-heap.ts'

/**
 * A task that is due asks for a place of its key: it waits until `givePlaces`, unless it has no key, or has kept its
 * place.
 */
export function arrive(table: TaskTable, task: Task, at: number): void {
  const { key } = task
  if (key === undefined) makeReady(table, task, at)
  else if (task.hasPlace) takeToken(table, task, key, at)
  else {
    setState(table, task, 'waiting')
    key.waiting.push(task)
    watchExpiry(table, task)
    table.touched.add(key)
  }
}

/** Puts a task off until its `dueAt`. */
export function delay(table: TaskTable, task: Task, by: NonNullable<Task['delayedBy']>): void {
  setState(table, task, 'delayed')
  task.delayedBy = by
  task.queue.delayed.push(task)
  watchExpiry(table, task)
}

/** Puts a task off, or lets it come anew; its place is kept only where the key is in order. */
export function putOff(
  table: TaskTable,
  task: Task,
  { delayMs, by, at }: { readonly delayMs: number; readonly by: 'delay' | 'retry'; readonly at: number },
): void {
  detach(table, task)
  if (!task.queue.settings.key.order) leavePlace(table, task)
  task.dueAt = at + Math.max(0, delayMs)
  if (delayMs > 0) delay(table, task, by)
  else arrive(table, task, at)
}

/** Changes what decides on the order of a task that neither runs nor has ended. */
export function reposition(table: TaskTable, task: Task, change: () => void): void {
  const heap = heapOf(task)
  heap?.remove(task)
  if (task.expiryIndex >= 0) table.expiring.remove(task)
  change()
  heap?.push(task)
  watchExpiry(table, task)
  table.changed.add(task.queue.name)
}

/** Takes a task out of the structures of its state; it still has its place. */
export function detach(table: TaskTable, task: Task): void {
  const { queue, key, state } = task
  if (task.expiryIndex >= 0) table.expiring.remove(task)
  heapOf(task)?.remove(task)
  if (state === 'delayed') {
    if (task.delayedBy === 'rate' && key !== undefined) key.held -= 1
    task.delayedBy = undefined
  } else if (state === 'ready' || state === 'suspect') {
    queue.readySince.delete(task)
    if (state === 'ready' && key !== undefined) key.ready -= 1
  } else if (state === 'running' && task.worker !== undefined) {
    const running = table.running.get(task.worker)
    running?.delete(task)
    if (running?.size === 0) table.running.delete(task.worker)
    task.worker = undefined
  }
  if (key !== undefined) table.touched.add(key)
}

/** Binds a task that has not ended to its key. */
export function bindKey(task: Task, at: number): void {
  if (task.keyName === undefined) return
  task.key = keyNamed(task.queue, task.keyName, at)
  task.key.tasks += 1
}

/** Gives the place of a task up. */
export function leavePlace(table: TaskTable, task: Task): void {
  if (!task.hasPlace || task.key === undefined) return
  task.hasPlace = false
  task.key.places -= 1
  table.touched.add(task.key)
}

/** Gives the free places of all keys that were touched to those who wait for them. */
export function givePlaces(table: TaskTable, at: number): void {
  for (const key of table.touched) {
    const { order, concurrency = Infinity } = key.queue.settings.key
    const most = order ? 1 : concurrency
    while (key.places < most && key.held === 0 && !isExhausted(key)) {
      const task = key.waiting.pop()
      if (task === undefined) break
      if (task.expiryIndex >= 0) table.expiring.remove(task)
      task.hasPlace = true
      key.places += 1
      takeToken(table, task, key, at)
    }
    forgetIfIdle(table, key, at)
  }
  table.touched.clear()
}

/** Forgets a key that has no tasks and owes no tokens. */
export function forgetIfIdle(table: TaskTable, key: Key, at: number): void {
  table.idleKeys.delete(key)
  if (key.tasks > 0) return
  const { bucket, queue, name } = key
  if (bucket !== undefined && refill(bucket, at) < bucket.rate.limit) table.idleKeys.add(key)
  else if (queue.keys.get(name) === key) queue.keys.delete(name)
}

export function setState(table: TaskTable, task: Task, state: Task['state']): void {
  const { counts } = task.queue
  counts[task.state] -= 1
  counts[state] += 1
  task.state = state
  if (state !== 'running') table.changed.add(task.queue.name)
}

/** Lets what is not running and has not ended expire. */
export function watchExpiry(table: TaskTable, task: Task): void {
  if (task.expiresAt !== undefined && task.expiryIndex < 0 && !hasEnded(task)) table.expiring.push(task)
}

/** A task with a place becomes ready, or is held until the token of its key is there. */
function takeToken(table: TaskTable, task: Task, key: Key, at: number): void {
  const { rate } = key.queue.settings.key
  if (rate !== undefined && task.crashes === 0) {
    key.bucket ??= createBucket(rate, at)
    const waitMs = untilTokens(key.bucket, Math.min(rate.limit, key.ready + 1), at)
    if (waitMs > 0) {
      task.dueAt = at + waitMs
      key.held += 1
      delay(table, task, 'rate')
      return
    }
  }
  makeReady(table, task, at)
}

function makeReady(table: TaskTable, task: Task, at: number): void {
  const state = task.crashes > 0 ? 'suspect' : 'ready'
  setState(table, task, state)
  task.readyAt = at
  heapAt(task.queue[state], task.name).push(task)
  task.queue.readySince.add(task)
  if (state === 'ready' && task.key !== undefined) task.key.ready += 1
  watchExpiry(table, task)
}

function heapOf({ state, queue, name, key }: Task): IndexedHeap<Task> | undefined {
  if (state === 'delayed') return queue.delayed
  if (state === 'waiting') return key?.waiting
  return state === 'ready' || state === 'suspect' ? queue[state].get(name) : undefined
}

function heapAt(heaps: Queue['ready'], name: string): IndexedHeap<Task> {
  const known = heaps.get(name)
  if (known !== undefined) return known
  const made = heapOfTasks(isBefore)
  heaps.set(name, made)
  return made
}

/** Whether as many are ready as the bucket can ever hold tokens: then a start must come first. */
function isExhausted({ ready, queue }: Key): boolean {
  const { rate } = queue.settings.key
  return rate !== undefined && ready >= rate.limit
}
