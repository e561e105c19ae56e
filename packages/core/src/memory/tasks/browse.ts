import type { DeadTaskCount, QueueStatus, TaskQuery } from '../../driver/task-admin.ts'
import type { ChildOutcome, TaskRow } from '../../driver/task.ts'
import { untilTokens } from './bucket.ts'
import { hasEnded, isBefore, type Queue, type Task, type TaskTable } from './task-table.ts'

/** A task as callers see it. */
export function rowOf(task: Task): TaskRow {
  return {
    id: task.id,
    queue: task.queue.name,
    name: task.name,
    state: task.state,
    body: task.body,
    key: task.keyName,
    tenant: task.tenant,
    headStartMs: task.headStartMs,
    attempts: task.attempts,
    starts: task.starts,
    crashes: task.crashes,
    worker: task.worker,
    addedAt: Math.floor(task.addedAt),
    dueAt: Math.floor(task.dueAt),
    startedAt: wholeMs(task.startedAt),
    endedAt: wholeMs(task.endedAt),
    expiresAt: wholeMs(task.expiresAt),
    delayedBy: task.delayedBy,
    cancelling: task.cancelling,
    dedupeKey: task.dedupeKey,
    parent: task.parent,
    pendingChildren: task.pendingChildren,
    output: task.output,
    error: task.error,
    progress: task.progress,
  }
}

/** How the children of a task have ended, in the order of the flow. */
export function outcomes(table: TaskTable, parent: string): ChildOutcome[] {
  return (table.children.get(parent) ?? []).flatMap((id) => {
    const child = table.tasks.get(id)
    return child === undefined ? [] : outcomeOf(child)
  })
}

/** What has not ended in the order of adding, then what has ended, newest first. */
export function list(table: TaskTable, query: TaskQuery): TaskRow[] {
  const found: TaskRow[] = []
  let isPast = query.after === undefined
  for (const task of inOrder(table, query)) {
    if (found.length >= query.limit) break
    if (isPast && matches(task, query)) found.push(rowOf(task))
    if (task.id === query.after) isPast = true
  }
  return found
}

/** How many ready or waiting tasks of its queue come before a task. */
export function ahead(table: TaskTable, id: string, limit: number): number | undefined {
  const task = table.tasks.get(id)
  if (task?.state !== 'ready' && task?.state !== 'waiting') return undefined
  const { ready, keys } = task.queue
  let count = 0
  const heaps = [...ready.values(), ...[...keys.values()].map(({ waiting }) => waiting)]
  for (const heap of heaps) {
    if (count >= limit) break
    // What waits in the order of adding is no heap by rank, so that it is looked at one by one.
    for (const each of heap.items()) if (isBefore(each, task)) count += 1
  }
  return Math.min(count, limit)
}

/** Dead tasks by queue and fingerprint, each with the newest failure. */
export function deadCounts(table: TaskTable, query: { readonly queue?: string }): DeadTaskCount[] {
  const counts = new Map<string, DeadTaskCount>()
  for (const { state, queue, error, endedAt = 0 } of table.ended) {
    if (state !== 'dead' || (query.queue !== undefined && queue.name !== query.queue)) continue
    const { fingerprint = '', code = '', message = '' } = error ?? {}
    const name = `${queue.name}\n${fingerprint}`
    const count = (counts.get(name)?.count ?? 0) + 1
    counts.set(name, { queue: queue.name, fingerprint, code, message, count, lastFailedAt: Math.floor(endedAt) })
  }
  return [...counts.values()]
}

/** What operators see of the queues, by name. */
export function queues(table: TaskTable, at: number): QueueStatus[] {
  const sorted = [...table.queues.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1))
  return sorted.map((queue) => statusOf(queue, at))
}

function statusOf(queue: Queue, at: number): QueueStatus {
  const [oldest] = queue.readySince
  const names = [...queue.ready, ...queue.suspect].filter(([, heap]) => heap.size > 0).map(([name]) => name)
  return {
    name: queue.name,
    version: queue.version,
    settings: queue.settings,
    note: queue.note,
    counts: { ...queue.counts },
    exact: true,
    oldestReadyMs: oldest === undefined ? undefined : Math.max(0, at - oldest.readyAt),
    nextTokenMs: queue.bucket === undefined ? undefined : untilTokens(queue.bucket, 1, at),
    readyNames: [...new Set(names)],
  }
}

function* inOrder(table: TaskTable, { states }: TaskQuery): Iterable<Task> {
  for (const task of table.tasks.values()) if (!hasEnded(task)) yield task
  if (states === undefined || states.some((state) => ENDS.has(state))) yield* [...table.ended].toReversed()
}

const ENDS: ReadonlySet<string> = new Set(['done', 'dead', 'cancelled', 'expired'])

function matches(task: Task, query: TaskQuery): boolean {
  const time = Math.floor(task.endedAt ?? task.addedAt)
  return (
    (query.queue === undefined || task.queue.name === query.queue) &&
    (query.name === undefined || task.name === query.name) &&
    (query.states === undefined || query.states.includes(task.state)) &&
    (query.key === undefined || task.keyName === query.key) &&
    (query.tenant === undefined || task.tenant === query.tenant) &&
    (query.parent === undefined || task.parent === query.parent) &&
    (query.fingerprint === undefined || task.error?.fingerprint === query.fingerprint) &&
    (query.since === undefined || time >= query.since) &&
    (query.until === undefined || time < query.until)
  )
}

function outcomeOf({ id, name, state, output, error }: Task): ChildOutcome[] {
  if (state !== 'done' && state !== 'dead' && state !== 'cancelled' && state !== 'expired') return []
  return [{ id, name, state, output, error }]
}

function wholeMs(time: number | undefined): number | undefined {
  return time === undefined ? undefined : Math.floor(time)
}
