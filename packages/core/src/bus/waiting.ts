import type { Definitions } from '../contract/catalog.ts'
import type { StoredEvent } from '../contract/event.ts'
import { decodeCursor } from '../driver/cursor.ts'
import type { LogIndex } from '../driver/log-index.ts'
import type { Transport } from '../driver/transport.ts'
import { abortedError, throwIfAborted } from '../runtime/abort.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { readEvent } from './stored-event.ts'
import { follow } from './following.ts'

/** What is waited for. */
export interface Awaited {
  readonly topic: string
  readonly type: string
  readonly correlationId: string
  /** Milliseconds; default 30,000. */
  readonly timeout?: number
  /** Looks back to this cursor; to now when absent. */
  readonly after?: string
  readonly signal?: AbortSignal
}

/** Waits for single events: one reader a topic serves all who wait there. */
export interface Waiting {
  /** Throws `wait_timeout`, `aborted`, `closed`. */
  waitFor(awaited: Awaited): Promise<StoredEvent>
  close(): void
}

interface Waiter {
  readonly type: string
  readonly correlationId: string
  resolve(event: StoredEvent): void
  reject(error: unknown): void
}

interface TopicWatch {
  readonly waiters: Set<Waiter>
  /** Resolves when everything stored from then on will be seen. */
  readonly started: Promise<void>
  stop(): void
}

const DEFAULT_TIMEOUT_MS = 30_000
const MOST_OF_A_FLOW = 1_000

export function createWaiting({
  transport,
  index,
  definitions,
  runtime,
}: {
  readonly transport: Transport
  readonly index: LogIndex
  readonly definitions: Definitions
  readonly runtime: Runtime
}): Waiting {
  const watches = new Map<string, TopicWatch>()
  let closed = false

  function watch(topic: string): TopicWatch {
    const existing = watches.get(topic)
    if (existing !== undefined) return existing
    const waiters = new Set<Waiter>()
    const stopping = new AbortController()
    let markStarted: () => void = () => {}
    let failStart: (error: unknown) => void = () => {}
    const started = new Promise<void>((resolve, reject) => {
      markStarted = resolve
      failStart = reject
    })
    started.catch(() => {})
    const created: TopicWatch = { waiters, started, stop: () => stopping.abort() }
    watches.set(topic, created)
    void run()
    return created

    function resolveAll(event: StoredEvent): void {
      for (const { type, correlationId, resolve } of waiters) {
        if (type === event.type && correlationId === event.metadata.correlationId) resolve(event)
      }
    }

    async function run(): Promise<void> {
      try {
        for await (const chunk of follow(
          { transport, definitions, runtime },
          { topics: [topic], signal: stopping.signal },
        )) {
          markStarted()
          for (const event of chunk.events) resolveAll(event)
        }
      } catch (error) {
        failStart(error)
        for (const waiter of waiters) waiter.reject(error)
      } finally {
        if (watches.get(topic) === created) watches.delete(topic)
      }
    }
  }

  async function lookBack({ type, correlationId, after }: Awaited): Promise<StoredEvent | undefined> {
    if (after === undefined) return undefined
    const since = decodeCursor(after).time ?? 0
    const flow = await index.byCorrelation(correlationId, MOST_OF_A_FLOW)
    const record = flow.find((candidate) => candidate.type === type && candidate.recordedAt >= since)
    return record === undefined ? undefined : readEvent(record, definitions)
  }

  return {
    async waitFor(awaited) {
      const { topic, type, correlationId, timeout = DEFAULT_TIMEOUT_MS, signal } = awaited
      throwIfAborted(signal)
      if (closed) throw new MillraceError('closed', 'Millrace is closed: nothing can be waited for any more.')
      const topicWatch = watch(topic)
      let forget: () => void = () => {}
      const arrival = new Promise<StoredEvent>((resolve, reject) => {
        const waiter: Waiter = { type, correlationId, resolve, reject }
        const onAbort = (): void => {
          if (signal !== undefined) reject(abortedError(signal))
        }
        const timer = runtime.setTimer(() => reject(timeoutError(awaited, timeout)), timeout)
        signal?.addEventListener('abort', onAbort, { once: true })
        topicWatch.waiters.add(waiter)
        forget = () => {
          timer.cancel()
          signal?.removeEventListener('abort', onAbort)
          topicWatch.waiters.delete(waiter)
          if (topicWatch.waiters.size === 0) topicWatch.stop()
          if (topicWatch.waiters.size === 0 && watches.get(topic) === topicWatch) watches.delete(topic)
        }
      })
      const lookedBack = topicWatch.started.then(() => lookBack(awaited))
      try {
        return await Promise.race([arrival, lookedBack.then((found) => found ?? arrival)])
      } finally {
        forget()
      }
    },
    close() {
      closed = true
      for (const topicWatch of watches.values()) {
        for (const waiter of topicWatch.waiters)
          waiter.reject(new MillraceError('closed', 'Millrace was closed while the event was awaited.'))
        topicWatch.stop()
      }
    },
  }
}

function timeoutError({ type, correlationId }: Awaited, timeout: number): MillraceError {
  return new MillraceError(
    'wait_timeout',
    `No "${type}" of the correlation "${correlationId}" came within ${timeout} ms.`,
    {
      retriable: true,
      facts: { type, correlationId, timeout },
    },
  )
}
