import type {
  ClaimedTask,
  EnqueueOutcome,
  NewTask,
  TaskClaim,
  TaskError,
  TaskNote,
  TaskSettle,
} from '@millrace/core/driver'
import { end, freeDedupe } from './model-ends.ts'
import { arrive, putOff } from './model-places.ts'
import { byRank, find, hasEnded, type ModelQueue, type ModelTask, type TaskModel } from './model-task.ts'

/** What `nextMs` must be; `perhaps` where only tasks come that this worker does not know. */
export type Next = 'now' | 'later' | 'perhaps' | 'never'

/** A claimed task without what depends on the clock. */
export type TimelessTask = Omit<ClaimedTask, 'ageMs' | 'waitedMs' | 'expiresInMs'>

export function enqueue(model: TaskModel, tasks: readonly NewTask[]): EnqueueOutcome[] {
  return tasks.map((task) => enqueueOne(model, task))
}

export function settle(model: TaskModel, worker: string, settles: readonly TaskSettle[]): ('settled' | 'fenced')[] {
  return settles.map((each) => settleOne(model, worker, each))
}

export function note(model: TaskModel, worker: string, notes: readonly TaskNote[]): void {
  for (const each of notes) {
    const task = running(model, worker, each)
    if (task === undefined) continue
    task.progress = each.progress ?? task.progress
    task.log.push(...each.log)
  }
}

export function claim(
  model: TaskModel,
  worker: string,
  { queue: name, names, limit, suspects }: TaskClaim,
): { readonly tasks: TimelessTask[]; readonly next: Next } {
  const queue = model.queues.get(name)
  if (queue === undefined || queue.settings.paused) return { tasks: [], next: 'never' }
  const { concurrency = Infinity, rate } = queue.settings
  const all = model.tasks.filter(({ task }) => task.queue === name)
  const mayRun = (): boolean => all.filter(({ state }) => state === 'running').length < concurrency
  const hasToken = (): boolean => rate === undefined || queue.starts < rate.limit
  const claimable = (state: string): ModelTask[] =>
    all.filter((each) => each.state === state && names.includes(each.task.name)).toSorted(byRank)
  const wanted = [...claimable('suspect').slice(0, suspects), ...claimable('ready')].slice(0, limit)
  const taken = wanted.filter((task) => {
    if (!mayRun() || !hasToken()) return false
    start(model, queue, task, worker)
    return true
  })
  const delayed = all.filter(({ state }) => state === 'delayed')
  let next: Next = 'never'
  if (mayRun()) {
    if (claimable('ready').length > 0) next = hasToken() ? 'now' : 'later'
    else if (delayed.some(({ task }) => names.includes(task.name))) next = 'later'
    else if (delayed.length > 0) next = 'perhaps'
  }
  return { tasks: taken.map(claimedOf), next }
}

export function reclaim(model: TaskModel, worker: string, deadAfterCrashes: number, error: TaskError): number {
  const held = model.tasks.filter((task) => task.worker === worker)
  for (const task of held) {
    task.crashes += 1
    task.worker = undefined
    if (task.cancelling) end(model, task, 'cancelled')
    else if (task.crashes >= deadAfterCrashes) end(model, task, 'dead', error)
    else task.state = 'suspect'
  }
  return held.length
}

function enqueueOne(model: TaskModel, task: NewTask): EnqueueOutcome {
  const there = find(model, task.id)
  if (there !== undefined) {
    const { id, name } = there.task
    return there.body === task.body ? { outcome: 'stored', id } : { outcome: 'taken', id, name, body: there.body }
  }
  const { dedupe } = task
  const queue = model.queues.get(task.queue)
  const holder = dedupe === undefined ? undefined : queue?.dedupe.get(dedupe.key)?.holder
  if (holder !== undefined && (dedupe?.mode === 'keep' || (holder.starts === 0 && !hasEnded(holder)))) {
    if (dedupe?.mode !== 'keep') Object.assign(holder, { body: task.body, headStartMs: task.headStartMs })
    if (dedupe?.mode === 'debounce') putOff(model, holder, task.delayMs, 'delay')
    return { outcome: 'duplicate', id: holder.task.id }
  }
  model.added += 1
  const made: ModelTask = {
    task,
    body: task.body,
    headStartMs: task.headStartMs,
    number: model.added,
    time: 0,
    state: 'blocked',
    attempts: 0,
    starts: 0,
    crashes: 0,
    worker: undefined,
    delayedBy: undefined,
    cancelling: false,
    pendingChildren: task.children,
    place: false,
    output: undefined,
    error: undefined,
    progress: undefined,
    log: [],
  }
  model.tasks.push(made)
  if (dedupe !== undefined) queue?.dedupe.set(dedupe.key, { holder: made, until: dedupe.until })
  if (task.children > 0) made.state = 'blocked'
  else if (task.delayMs > 0) [made.state, made.delayedBy] = ['delayed', 'delay']
  else arrive(model, made)
  return { outcome: 'stored', id: task.id }
}

function settleOne(model: TaskModel, worker: string, settled: TaskSettle): 'settled' | 'fenced' {
  const task = running(model, worker, settled)
  if (task === undefined) return 'fenced'
  if (settled.error !== undefined) task.error = settled.error
  if (settled.as === 'retry') task.attempts += 1
  if (settled.as !== 'retry' && settled.as !== 'release') {
    task.output = settled.output
    end(model, task, settled.as)
  } else if (task.cancelling) end(model, task, 'cancelled')
  else putOff(model, task, settled.delayMs, settled.as === 'retry' ? 'retry' : 'delay')
  return 'settled'
}

/** The task, if it runs under this claim. */
function running(
  model: TaskModel,
  worker: string,
  { id, starts }: { readonly id: string; readonly starts: number },
): ModelTask | undefined {
  const task = find(model, id)
  return task?.state === 'running' && task.worker === worker && task.starts === starts ? task : undefined
}

function start(model: TaskModel, queue: ModelQueue, task: ModelTask, worker: string): void {
  const { key } = task.task
  task.state = 'running'
  task.worker = worker
  task.starts += 1
  queue.starts += 1
  if (key !== undefined) queue.keyStarts.set(key, (queue.keyStarts.get(key) ?? 0) + 1)
  freeDedupe(model, task, ['start'])
}

function claimedOf({ task, body, starts, attempts, crashes }: ModelTask): TimelessTask {
  const { id, queue, name, key, tenant } = task
  return { id, queue, name, body, key, tenant, starts, attempts, crashes, hasChildren: task.children > 0 }
}
