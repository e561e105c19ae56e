import type { TaskStore } from '../driver/task-store.ts'
import { abortedError, throwIfAborted } from '../runtime/abort.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { hasEnded, resultOf } from './ended-task.ts'
import type { Hearing } from './hearing.ts'
import { createSleeper } from './sleeper.ts'
import type { ResultOptions } from './task-handle.ts'
import { unknownTask } from './task-id.ts'

/** Waiting for tasks to end: one look at the store for all that are waited for. */
export interface Results {
  /** The options are checked. Throws as `TaskHandle.result`. `mayAppear`: it is part of a transaction that may not be committed yet. */
  wait(id: string, options?: ResultOptions & { readonly mayAppear?: boolean }): Promise<unknown>
  /** A task of this process has ended, as the store has confirmed. */
  ended(row: Parameters<typeof resultOf>[0]): void
  /** Whether anybody here waits for anything. */
  readonly waiting: boolean
  /** Something may have ended elsewhere: in one of these queues, or in any. */
  hint(queues?: readonly string[]): void
  close(): void
}

export interface ResultsOptions {
  readonly store: TaskStore
  readonly runtime: Runtime
  /** Opens the engine. */
  readonly ready: () => Promise<void>
  readonly hearing: Hearing
  /** Tasks whose end is on its way to here: a queue that keeps nothing may have dropped them already. */
  readonly endingIds: () => ReadonlySet<string>
}

interface Waiter {
  readonly id: string
  readonly mayAppear: boolean
  readonly settle: (row: Parameters<typeof resultOf>[0] | undefined) => void
  readonly fail: (error: unknown) => void
}

/** A task that is waited for, and when the store is asked for it next. */
interface Awaited {
  readonly waiters: Set<Waiter>
  /** Undefined until the store was asked. */
  queue: string | undefined
  lookAt: number
  restMs: number
  /** It may have ended since the store was asked. */
  hinted: boolean
}

const DEFAULT_TIMEOUT_MS = 30_000
/** It may have ended before anybody waited. */
const FIRST_LOOK_MS = 2
const FIRST_REST_MS = 20
const LOOK_GROWTH = 1.5
/** The backstop, with hints and without. */
const LAST_LOOK_MS = 1_000
/** However many hints there are: who waits for many at once is told a little later, and the engine is not asked all the time. */
const LEAST_REST_MS = 10
const LOOKS_PER_MS = 10
/** What is due so soon is looked at with what is due now. */
const TOGETHER_MS = 5
const IDS_PER_LOOK = 500

export function createResults({ store, runtime, ready, hearing, endingIds }: ResultsOptions): Results {
  const awaited = new Map<string, Awaited>()
  const sleeper = createSleeper(runtime, () => void look())
  let leave: (() => void) | undefined
  let looking = false
  let lookedAt = Number.NEGATIVE_INFINITY
  let closed = false

  async function look(): Promise<void> {
    if (looking || closed) return
    looking = true
    lookedAt = runtime.monotonic()
    const due = [...awaited].filter(([, { lookAt }]) => lookAt <= lookedAt + TOGETHER_MS)
    for (const [, of] of due) of.hinted = false
    try {
      for (let from = 0; from < due.length; from += IDS_PER_LOOK) await lookAtSome(due.slice(from, from + IDS_PER_LOOK))
    } catch (error) {
      const mayPass = isMillraceError(error) && (error.retriable || error.code.startsWith('engine_'))
      if (!mayPass) for (const [, of] of due) for (const waiter of of.waiters) waiter.fail(error)
    }
    looking = false
    for (const [, of] of due) {
      of.lookAt = runtime.monotonic() + of.restMs
      of.restMs = Math.min(LAST_LOOK_MS, of.restMs * LOOK_GROWTH)
    }
    sleep()
  }

  async function lookAtSome(some: readonly (readonly [id: string, of: Awaited])[]): Promise<void> {
    // Only those are answered who waited before the store was asked.
    const asked = some.map(([id, of]) => ({ id, of, waiters: [...of.waiters] }))
    const rows = new Map((await store.get(some.map(([id]) => id))).map((row) => [row.id, row]))
    const ending = rows.size === some.length ? undefined : endingIds()
    for (const { id, of, waiters } of asked) {
      const row = rows.get(id)
      of.queue = row?.queue
      if (row === undefined && ending?.has(id) === true) continue
      for (const waiter of waiters) if (row === undefined ? !waiter.mayAppear : hasEnded(row)) waiter.settle(row)
    }
  }

  function sleep(): void {
    hasten(awaited.values(), lookedAt)
    let at = Number.POSITIVE_INFINITY
    for (const { lookAt } of awaited.values()) at = Math.min(at, lookAt)
    if (awaited.size > 0) sleeper.until(at)
  }

  function add(waiter: Waiter): void {
    leave ??= hearing.begin()
    const of = awaited.get(waiter.id) ?? newlyAwaited()
    of.waiters.add(waiter)
    of.lookAt = Math.max(runtime.monotonic(), lookedAt) + FIRST_LOOK_MS
    // The look that is under way is none for this one.
    of.hinted ||= looking
    awaited.set(waiter.id, of)
    sleeper.until(of.lookAt)
  }

  function remove(waiter: Waiter): void {
    const of = awaited.get(waiter.id)
    of?.waiters.delete(waiter)
    if (of?.waiters.size === 0) awaited.delete(waiter.id)
    if (awaited.size > 0) return
    leave?.()
    leave = undefined
  }

  return {
    async wait(id, { timeout = DEFAULT_TIMEOUT_MS, signal, mayAppear = false } = {}) {
      throwIfAborted(signal)
      await ready()
      throwIfAborted(signal)
      return new Promise((resolve, reject) => {
        const over = (): void => {
          timer?.cancel()
          signal?.removeEventListener('abort', abort)
          remove(waiter)
        }
        const waiter: Waiter = {
          id,
          mayAppear,
          settle(row) {
            over()
            try {
              if (row === undefined) throw unknownTask(id)
              resolve(resultOf(row))
            } catch (error) {
              reject(error)
            }
          },
          fail(error) {
            over()
            reject(error)
          },
        }
        const abort = (): void => waiter.fail(signal === undefined ? undefined : abortedError(signal))
        const timeUp = (): void => waiter.fail(tooLate(id, timeout))
        const timer = timeout > 0 ? runtime.setTimer(timeUp, timeout, true) : undefined
        signal?.addEventListener('abort', abort, { once: true })
        if (closed) waiter.fail(closedError())
        else add(waiter)
      })
    },
    ended(row) {
      const of = awaited.get(row.id)
      if (of !== undefined) for (const waiter of of.waiters) waiter.settle(row)
    },
    get waiting() {
      return awaited.size > 0
    },
    hint(queues) {
      const isMeant = ({ queue }: Awaited): boolean =>
        queue === undefined || queues === undefined || queues.includes(queue)
      for (const of of awaited.values()) of.hinted ||= isMeant(of)
      if (!looking) sleep()
    },
    close() {
      closed = true
      sleeper.stop()
      for (const { waiters } of awaited.values()) for (const waiter of waiters) waiter.fail(closedError())
    },
  }
}

/** What was hinted at is looked at before its time. */
function hasten(awaited: Iterable<Awaited>, lookedAt: number): void {
  const hinted = [...awaited].filter((of) => of.hinted)
  const soon = lookedAt + Math.max(LEAST_REST_MS, hinted.length / LOOKS_PER_MS)
  for (const of of hinted) of.lookAt = Math.min(of.lookAt, soon)
}

function newlyAwaited(): Awaited {
  return { waiters: new Set(), queue: undefined, lookAt: 0, restMs: FIRST_REST_MS, hinted: false }
}

function tooLate(id: string, timeoutMs: number): MillraceError {
  return new MillraceError(
    'wait_timeout',
    `The task "${id}" has not ended within ${timeoutMs} ms. It goes on; wait again, or cancel it.`,
    { retriable: true, facts: { id, timeoutMs } },
  )
}

function closedError(): MillraceError {
  return new MillraceError('closed', 'Millrace was closed while the result of a task was waited for.')
}
