import type { ClaimedTask, ClaimedTasks, TaskClaim } from '../../driver/task-store.ts'
import { refill, untilTokens } from './bucket.ts'
import { freeDedupe } from './dedupe.ts'
import { endTask } from './ending.ts'
import { arrive, detach, givePlaces, setState } from './places.ts'
import { isBefore, type Queue, type Task, type TaskTable } from './task-table.ts'

/** How many delayed tasks one claim makes due. */
const MOST_DUE = 5_000

const NOTHING: ClaimedTasks = { tasks: [], nextMs: undefined }

/** Gives a worker what it may run of a queue. */
export function claim(
  table: TaskTable,
  worker: string,
  { queue: name, names, limit, suspects }: TaskClaim,
  at: number,
): ClaimedTasks {
  const queue = table.queues.get(name)
  if (queue === undefined || queue.settings.paused) return NOTHING
  makeDue(table, queue, at)
  const tasks: ClaimedTask[] = []
  const take = (state: 'suspect' | 'ready', most: number): void => {
    while (tasks.length < most && mayStart(queue, at)) {
      const task = nextOf(queue, state, names)
      if (task === undefined) return
      if (task.expiresAt !== undefined && task.expiresAt <= at) endTask(table, task, { as: 'expired', at })
      else tasks.push(start(table, task, worker, at))
      givePlaces(table, at)
    }
  }
  take('suspect', Math.min(limit, suspects))
  take('ready', limit)
  return { tasks, nextMs: nextMs(queue, names, at) }
}

function makeDue(table: TaskTable, queue: Queue, at: number): void {
  for (let count = 0; count < MOST_DUE; count += 1) {
    const task = queue.delayed.peek()
    if (task === undefined || task.dueAt > at) break
    detach(table, task)
    arrive(table, task, at)
  }
  givePlaces(table, at)
}

function mayStart({ settings, counts, bucket }: Queue, at: number): boolean {
  if (settings.concurrency !== undefined && counts.running >= settings.concurrency) return false
  return bucket === undefined || refill(bucket, at) >= 1
}

function nextOf(queue: Queue, state: 'suspect' | 'ready', names: readonly string[]): Task | undefined {
  let next: Task | undefined
  for (const name of names) {
    const first = queue[state].get(name)?.peek()
    if (first !== undefined && (next === undefined || isBefore(first, next))) next = first
  }
  return next
}

function start(table: TaskTable, task: Task, worker: string, at: number): ClaimedTask {
  const { queue, key } = task
  detach(table, task)
  setState(table, task, 'running')
  task.worker = worker
  task.starts += 1
  task.startedAt = at
  const running = table.running.get(worker)
  if (running === undefined) table.running.set(worker, new Set([task]))
  else running.add(task)
  if (queue.bucket !== undefined) queue.bucket.tokens -= 1
  if (key?.bucket !== undefined) {
    refill(key.bucket, at)
    key.bucket.tokens -= 1
  }
  freeDedupe(task, 'start')
  return {
    id: task.id,
    queue: queue.name,
    name: task.name,
    body: task.body,
    key: task.keyName,
    tenant: task.tenant,
    starts: task.starts,
    attempts: task.attempts,
    crashes: task.crashes,
    ageMs: at - task.addedAt,
    waitedMs: at - task.readyAt,
    expiresInMs: task.expiresAt === undefined ? undefined : task.expiresAt - at,
    hasChildren: task.hasChildren,
  }
}

function nextMs(queue: Queue, names: readonly string[], at: number): number | undefined {
  const { settings, counts, bucket, delayed } = queue
  if (settings.concurrency !== undefined && counts.running >= settings.concurrency) return undefined
  const dueAt = nextOf(queue, 'ready', names) === undefined ? delayed.peek()?.dueAt : at
  if (dueAt === undefined) return undefined
  const tokenMs = bucket === undefined ? 0 : untilTokens(bucket, 1, at)
  return Math.max(0, tokenMs, Math.ceil(dueAt - at))
}
