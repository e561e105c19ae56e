import { createGroupCommit, type Timed } from '../bus/group-commit.ts'
import type { SubmitOptions } from '../bus/publisher.ts'
import type { Capabilities } from '../driver/capabilities.ts'
import type { EnqueueOutcome, TaskStore } from '../driver/task-store.ts'
import type { NewTask } from '../driver/task.ts'
import { abortedError } from '../runtime/abort.ts'
import { backoffDelay } from '../runtime/backoff.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** Sends tasks to the store in groups. */
export interface Enqueuer {
  /** Adds tasks that belong together, all or none. Throws what kept them from being stored, or `publish_unknown`. */
  submit(tasks: readonly NewTask[], options?: SubmitOptions): Promise<readonly EnqueueOutcome[]>
  /** Resolves when nothing is queued or under way. */
  idle(): Promise<void>
  /** Refuses what comes from now on. */
  close(): void
}

export interface EnqueuerOptions {
  readonly store: TaskStore
  /** Those of the engine that keeps the tasks. */
  readonly capabilities: () => Pick<Capabilities, 'smallBatches'>
  readonly runtime: Runtime
  /** Milliseconds for one parcel, resends included, and a sending that gets no answer too. */
  readonly timeoutMs: number
  /** Tasks that may wait at once. */
  readonly maxPending: number
  /** Tasks of these queues were stored. */
  readonly onStored: (queues: ReadonlySet<string>) => void
}

const RESEND_BACKOFF = { first: 20, factor: 2, ceiling: 1_000 }
const NO_ANSWER = new Error('The engine has not answered.')

/** Tasks that are added together, with who waits for them. */
interface Parcel extends Timed {
  readonly tasks: readonly NewTask[]
  readonly resolve: (outcomes: readonly EnqueueOutcome[]) => void
  readonly reject: (error: unknown) => void
  readonly signal: AbortSignal | undefined
  /** A sending may have been stored although its answer was lost. */
  doubtful: boolean
  /** Goes out by itself, so that what is wrong with it hurts nobody else. */
  alone: boolean
}

/**
 * Tasks go out together with what else is added meanwhile. What is not known to be stored is sent again with the same ids until
 * its time is up; the store adds an id once.
 */
export function createEnqueuer(options: EnqueuerOptions): Enqueuer {
  const { store, runtime, timeoutMs, maxPending, onStored } = options
  const commit = createGroupCommit<Parcel>({
    runtime,
    timeoutMs,
    capabilities: options.capabilities,
    recordsOf: ({ tasks }) => tasks.length,
    charactersOf: ({ tasks }) => tasks.reduce((sum, { body }) => sum + body.length, 0),
    isAlone: ({ alone }) => alone,
    isWanted,
    flush,
    expire,
  })
  let closed = false

  function isWanted(parcel: Parcel): boolean {
    if (parcel.signal?.aborted !== true) return true
    const error = abortedError(parcel.signal)
    fail(parcel, parcel.doubtful ? unknownError(parcel, error) : error)
    return false
  }

  async function flush(batch: readonly Parcel[]): Promise<boolean> {
    const only = batch.length === 1 ? batch[0] : undefined
    const tasks = only === undefined ? batch.flatMap((parcel) => parcel.tasks) : only.tasks
    try {
      deliver(batch, await store.enqueue(tasks))
    } catch (error) {
      for (const parcel of batch) if (!parcel.isOver) afterFailure(parcel, error, batch.length > 1)
      return false
    }
    onStored(new Set(tasks.map((task) => task.queue)))
    return true
  }

  function expire(overdue: readonly Parcel[]): void {
    for (const parcel of overdue)
      parcel.reject(parcel.sent > 0 ? unknownError(parcel, NO_ANSWER) : neverSent(parcel, timeoutMs))
  }

  function deliver(batch: readonly Parcel[], outcomes: readonly EnqueueOutcome[]): void {
    let from = 0
    for (const parcel of batch) {
      const own = batch.length === 1 ? outcomes : outcomes.slice(from, from + parcel.tasks.length)
      from += parcel.tasks.length
      if (parcel.isOver) continue
      parcel.resolve(own)
      commit.finish(parcel)
    }
  }

  function afterFailure(parcel: Parcel, error: unknown, inCompany: boolean): void {
    const isUnknown = !isMillraceError(error) || error.code === 'publish_unknown'
    parcel.doubtful ||= isUnknown
    const mayPass = isUnknown || (error.retriable && error.code !== 'closed')
    if (!mayPass && !inCompany) return fail(parcel, parcel.doubtful ? unknownError(parcel, error) : error)
    if (!mayPass) parcel.alone = true
    const delay = mayPass ? backoffDelay(RESEND_BACKOFF, parcel.sent, 0.5 + runtime.random() / 2) : 0
    if (closed || parcel.signal?.aborted === true || runtime.monotonic() + delay >= parcel.deadline)
      return fail(parcel, parcel.doubtful ? unknownError(parcel, error) : error)
    commit.again(parcel, delay)
  }

  function fail(parcel: Parcel, error: unknown): void {
    parcel.reject(error)
    commit.finish(parcel)
  }

  function unknownError(parcel: Parcel, cause: unknown): MillraceError {
    const id = parcel.tasks[0]?.id ?? ''
    return new MillraceError(
      'publish_unknown',
      `Whether the task "${id}" is stored is not known after ${timeoutMs} ms: it may be. Enqueue it again with the same id: it is added once.`,
      { retriable: true, cause, facts: { id } },
    )
  }

  return {
    submit(tasks, { signal, deadline = runtime.monotonic() + timeoutMs } = {}) {
      if (closed)
        return Promise.reject(new MillraceError('closed', 'Millrace is closed: nothing can be enqueued any more.'))
      const { pending } = commit
      if (pending + tasks.length > maxPending && pending > 0) return Promise.reject(backpressure(pending))
      if (tasks.length === 0) return Promise.resolve([])
      return new Promise((resolve, reject) => {
        commit.add({ tasks, resolve, reject, deadline, signal, sent: 0, isOver: false, doubtful: false, alone: false })
      })
    },
    idle: commit.idle,
    close: () => void (closed = true),
  }
}

function neverSent({ tasks }: Parcel, timeoutMs: number): MillraceError {
  const id = tasks[0]?.id ?? ''
  return new MillraceError(
    'engine_unreachable',
    `The task "${id}" was not sent, since the engine has not answered for ${timeoutMs} ms: it is not added. Look whether the engine hangs, and enqueue it again.`,
    { retriable: true, facts: { id } },
  )
}

function backpressure(pending: number): MillraceError {
  return new MillraceError(
    'publish_backpressure',
    `${pending} tasks are waiting for the engine. Wait for some of them before you enqueue more.`,
    { retriable: true, facts: { pending } },
  )
}
