import { eventDigest } from '../contract/event-digest.ts'
import type { PublishOutcome, PublishRecord } from '../driver/record.ts'
import type { Transport } from '../driver/transport.ts'
import { abortedError } from '../runtime/abort.ts'
import { backoffDelay } from '../runtime/backoff.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { channels, type PublishDiagnosis } from './diagnostics.ts'
import { createFifo } from './fifo.ts'

/** What became of one record, with everything decided: resends done, duplicates told from conflicts. */
export type Settlement =
  | { readonly outcome: 'stored'; readonly partition: number; readonly position: string; readonly duplicate: boolean }
  | { readonly outcome: 'rejected' | 'unknown'; readonly error: MillraceError }

/** Sends records to the engine in groups. */
export interface Publisher {
  /** Queues a record; `done` is called once. Throws nothing. */
  submit(record: PublishRecord, done: (settlement: Settlement) => void, signal?: AbortSignal): void
  /** Resolves when nothing is queued or under way. */
  idle(): Promise<void>
  /** Records queued or under way. */
  readonly pending: number
  /** Refuses what comes from now on. */
  close(): void
}

export interface PublisherOptions {
  readonly name: string
  readonly transport: Transport
  readonly runtime: Runtime
  /** Milliseconds for one record, resends included. */
  readonly timeoutMs: number
  readonly maxPending: number
}

const BATCH_RECORDS = 500
const BATCH_CHARACTERS = 1024 * 1024
/** The second flush is prepared while the engine syncs the first; more would only queue. */
const FLUSHES_IN_FLIGHT = 2
const RESEND_BACKOFF = { first: 20, factor: 2, ceiling: 1_000 }

interface Waiting {
  readonly record: PublishRecord
  readonly done: (settlement: Settlement) => void
  readonly deadline: number
  readonly signal: AbortSignal | undefined
  /** Sendings so far; above 0 the record may be in the engine already. */
  sent: number
}

/**
 * Group commit without a linger: what is submitted while flushes are in flight goes out together with the next one. A
 * record whose outcome is unknown is sent again with the same id until its time is up, and never reported as rejected after that.
 */
export function createPublisher({ name, transport, runtime, timeoutMs, maxPending }: PublisherOptions): Publisher {
  const queue = createFifo<Waiting>()
  let inFlight = 0
  let pending = 0
  let scheduled = false
  let closed = false
  let idleWaiters: (() => void)[] = []

  function schedule(): void {
    if (scheduled || inFlight >= FLUSHES_IN_FLIGHT || queue.length === 0) return
    scheduled = true
    runtime.defer(pump)
  }

  function pump(): void {
    scheduled = false
    while (inFlight < FLUSHES_IN_FLIGHT && queue.length > 0) {
      const batch = takeBatch()
      if (batch.length > 0) void flush(batch)
    }
  }

  function takeBatch(): Waiting[] {
    const batch: Waiting[] = []
    let characters = 0
    while (queue.length > 0 && batch.length < BATCH_RECORDS && characters < BATCH_CHARACTERS) {
      const waiting = queue.shift()
      if (waiting === undefined) break
      if (waiting.signal?.aborted) {
        finish(waiting, { outcome: waiting.sent > 0 ? 'unknown' : 'rejected', error: abortedError(waiting.signal) })
        continue
      }
      characters += waiting.record.body.length
      batch.push(waiting)
    }
    return batch
  }

  async function flush(batch: readonly Waiting[]): Promise<void> {
    inFlight += 1
    const started = runtime.monotonic()
    let outcomes: readonly PublishOutcome[]
    try {
      outcomes = await transport.publish(batch.map((waiting) => waiting.record))
    } catch (error) {
      const failure: PublishOutcome = {
        outcome: isMillraceError(error, 'closed') ? 'rejected' : 'unknown',
        error: error instanceof Error ? error : new Error(String(error)),
      }
      outcomes = batch.map(() => failure)
    }
    inFlight -= 1
    if (channels.publish.hasSubscribers) report(batch, outcomes, runtime.monotonic() - started)
    batch.forEach((waiting, at) => {
      waiting.sent += 1
      const outcome = outcomes[at]
      if (outcome === undefined) return resend(waiting, new Error('The driver gave no outcome for a record.'))
      if (outcome.outcome === 'unknown') return resend(waiting, outcome.error)
      finish(waiting, settlementOf(outcome, waiting))
    })
    schedule()
  }

  function resend(waiting: Waiting, cause: Error): void {
    const delay = backoffDelay(RESEND_BACKOFF, waiting.sent, 0.5 + runtime.random() / 2)
    const giveUp = closed || waiting.signal?.aborted === true || runtime.monotonic() + delay >= waiting.deadline
    if (giveUp) return finish(waiting, { outcome: 'unknown', error: unknownError(waiting.record, timeoutMs, cause) })
    runtime.setTimer(() => {
      queue.push(waiting)
      schedule()
    }, delay)
  }

  function finish(waiting: Waiting, settlement: Settlement): void {
    pending -= 1
    waiting.done(settlement)
    if (pending === 0) {
      const waiters = idleWaiters
      idleWaiters = []
      for (const wake of waiters) wake()
    }
  }

  function report(batch: readonly Waiting[], outcomes: readonly PublishOutcome[], durationMs: number): void {
    const counts = new Map<string, PublishDiagnosis & { count: number }>()
    batch.forEach(({ record }, at) => {
      const raw = outcomes[at]?.outcome ?? 'unknown'
      const outcome = raw === 'duplicate' ? 'stored' : raw
      const key = `${record.topic} ${outcome}`
      const entry = counts.get(key)
      if (entry === undefined) counts.set(key, { millrace: name, topic: record.topic, outcome, durationMs, count: 1 })
      else entry.count += 1
    })
    for (const diagnosis of counts.values()) channels.publish.publish(diagnosis)
  }

  return {
    submit(record, done, signal) {
      if (closed)
        return done({
          outcome: 'rejected',
          error: new MillraceError('closed', 'Millrace is closed: nothing can be published any more.'),
        })
      if (pending >= maxPending) {
        return done({
          outcome: 'rejected',
          error: backpressure(pending),
        })
      }
      pending += 1
      queue.push({ record, done, deadline: runtime.monotonic() + timeoutMs, signal, sent: 0 })
      schedule()
    },
    idle: () => (pending === 0 ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve))),
    get pending() {
      return pending
    },
    close: () => void (closed = true),
  }
}

/** The error of a publish that would wait behind too many others. */
export function backpressure(pending: number): MillraceError {
  return new MillraceError(
    'publish_backpressure',
    `${pending} publishes are waiting for the engine. Wait for some of them before you publish more.`,
    { retriable: true, facts: { pending } },
  )
}

function settlementOf(outcome: PublishOutcome, { record, sent }: Waiting): Settlement {
  if (outcome.outcome === 'stored') {
    return { outcome: 'stored', partition: outcome.partition, position: outcome.position, duplicate: false }
  }
  if (outcome.outcome === 'duplicate') {
    if (eventDigest(outcome.body) === eventDigest(record.body)) {
      // What an earlier sending of ours stored is no duplicate to the caller.
      return { outcome: 'stored', partition: outcome.partition, position: outcome.position, duplicate: sent <= 1 }
    }
    return {
      outcome: 'rejected',
      error: new MillraceError(
        'event_conflict',
        `An event with the id "${record.id}" of the source "${record.source}" is stored with other content. Give the new event an id of its own.`,
        { facts: { id: record.id, topic: record.topic } },
      ),
    }
  }
  if (sent > 1) return { outcome: 'unknown', error: unknownError(record, 0, outcome.error) }
  return { outcome: 'rejected', error: asMillraceError(outcome.error) }
}

function asMillraceError(error: Error): MillraceError {
  if (isMillraceError(error)) return error
  return new MillraceError('publish_rejected', `The engine did not store the event: ${error.message}`, { cause: error })
}

function unknownError(record: PublishRecord, timeoutMs: number, cause: Error): MillraceError {
  return new MillraceError(
    'publish_unknown',
    `Whether the event "${record.id}" is stored is not known${timeoutMs > 0 ? ` after ${timeoutMs} ms` : ''}: ${cause.message} ` +
      'Publish it again with the same id: it is stored once.',
    { retriable: true, cause, facts: { id: record.id, topic: record.topic } },
  )
}
