import { eventDigest } from '../contract/event-digest.ts'
import type { PublishOutcome, PublishRecord } from '../driver/record.ts'
import type { Transport } from '../driver/transport.ts'
import { abortedError } from '../runtime/abort.ts'
import { backoffDelay } from '../runtime/backoff.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { channels, type PublishDiagnosis } from './diagnostics.ts'
import { createGroupCommit, type Timed } from './group-commit.ts'

/** What became of one record, with everything decided: resends done, duplicates told from conflicts. */
export type Settlement =
  | { readonly outcome: 'stored'; readonly partition: number; readonly position: string; readonly duplicate: boolean }
  | { readonly outcome: 'rejected' | 'unknown'; readonly error: MillraceError }

/** Sends records to the engine in groups. */
export interface Publisher {
  /** Queues a record; `done` is called once. Throws nothing. */
  submit(record: PublishRecord, done: (settlement: Settlement) => void, options?: SubmitOptions): void
  /** Resolves when nothing is queued or under way. */
  idle(): Promise<void>
  /** Records queued or under way. */
  readonly pending: number
  /** Refuses what comes from now on. */
  close(): void
}

export interface SubmitOptions {
  readonly signal?: AbortSignal | undefined
  /** When its time is up, on the monotonic clock; counted from now when absent. */
  readonly deadline?: number | undefined
}

export interface PublisherOptions {
  readonly name: string
  readonly transport: Transport
  readonly runtime: Runtime
  /** Milliseconds for one record, resends included, and a sending that gets no answer too. */
  readonly timeoutMs: number
  readonly maxPending: number
}

const RESEND_BACKOFF = { first: 20, factor: 2, ceiling: 1_000 }
const NO_ANSWER = new Error('The engine has not answered.')

/** Once it has been sent, the record may be in the engine. */
interface Waiting extends Timed {
  readonly record: PublishRecord
  readonly done: (settlement: Settlement) => void
  readonly signal: AbortSignal | undefined
}

/**
 * What every Waiting begins as a copy of. V8 may come to make what a literal makes in the old generation at once, when it has seen a hundred
 * of it and all were on their way; from then on everything that they hold would be copied, until the next large collection.
 */
const FRESH = { record: undefined, done: undefined, signal: undefined, deadline: Infinity, sent: 0, isOver: false }

/**
 * Events go out together with what else is published meanwhile. A record whose outcome is unknown is sent again with the
 * same id until its time is up, and never reported as rejected after that. When its time is up while it is being sent, it is unknown too: the
 * answer may still come, and then counts for the diagnostics only.
 */
export function createPublisher({ name, transport, runtime, timeoutMs, maxPending }: PublisherOptions): Publisher {
  const commit = createGroupCommit<Waiting>({
    runtime,
    timeoutMs,
    capabilities: () => transport.capabilities,
    charactersOf: ({ record }) => record.body.length,
    isWanted,
    flush,
    expire,
  })
  let closed = false

  function isWanted(waiting: Waiting): boolean {
    if (waiting.signal?.aborted !== true) return true
    finish(waiting, { outcome: waiting.sent > 0 ? 'unknown' : 'rejected', error: abortedError(waiting.signal) })
    return false
  }

  async function flush(batch: readonly Waiting[]): Promise<boolean> {
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
    if (channels.publish.hasSubscribers) {
      const raw = (_: Waiting, at: number): PublishOutcome['outcome'] => outcomes[at]?.outcome ?? 'unknown'
      report(batch, raw, runtime.monotonic() - started)
    }
    let answered = false
    batch.forEach((waiting, at) => {
      const outcome = outcomes[at]
      if (outcome !== undefined && outcome.outcome !== 'unknown') answered = true
      if (waiting.isOver) return
      if (outcome === undefined) return resend(waiting, new Error('The driver gave no outcome for a record.'))
      if (outcome.outcome === 'unknown') return resend(waiting, outcome.error)
      finish(waiting, settlementOf(outcome, waiting))
    })
    return answered
  }

  function expire(overdue: readonly Waiting[]): void {
    for (const { record, sent, done } of overdue) {
      if (sent > 0) done({ outcome: 'unknown', error: unknownError(record, timeoutMs, NO_ANSWER) })
      else done({ outcome: 'rejected', error: neverSent(record, timeoutMs) })
    }
    if (channels.publish.hasSubscribers) report(overdue, ({ sent }) => (sent > 0 ? 'unknown' : 'rejected'), timeoutMs)
  }

  function resend(waiting: Waiting, cause: Error): void {
    const delay = backoffDelay(RESEND_BACKOFF, waiting.sent, 0.5 + runtime.random() / 2)
    const giveUp = closed || waiting.signal?.aborted === true || runtime.monotonic() + delay >= waiting.deadline
    if (giveUp) return finish(waiting, { outcome: 'unknown', error: unknownError(waiting.record, timeoutMs, cause) })
    commit.again(waiting, delay)
  }

  function finish(waiting: Waiting, settlement: Settlement): void {
    waiting.done(settlement)
    commit.finish(waiting)
  }

  function report(
    batch: readonly Waiting[],
    outcomeOf: (waiting: Waiting, at: number) => PublishOutcome['outcome'],
    durationMs: number,
  ): void {
    const counts = new Map<string, PublishDiagnosis & { count: number }>()
    batch.forEach((waiting, at) => {
      const { record } = waiting
      const raw = outcomeOf(waiting, at)
      const outcome = raw === 'duplicate' ? 'stored' : raw
      const key = `${record.topic} ${outcome}`
      const entry = counts.get(key)
      if (entry === undefined) counts.set(key, { millrace: name, topic: record.topic, outcome, durationMs, count: 1 })
      else entry.count += 1
    })
    for (const diagnosis of counts.values()) channels.publish.publish(diagnosis)
  }

  return {
    submit(record, done, { signal, deadline = runtime.monotonic() + timeoutMs } = {}) {
      if (closed)
        return done({
          outcome: 'rejected',
          error: new MillraceError('closed', 'Millrace is closed: nothing can be published any more.'),
        })
      if (commit.pending >= maxPending) return done({ outcome: 'rejected', error: backpressure(commit.pending) })
      commit.add({ ...FRESH, record, done, deadline, signal })
    },
    idle: commit.idle,
    get pending() {
      return commit.pending
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

function neverSent(record: PublishRecord, timeoutMs: number): MillraceError {
  return new MillraceError(
    'engine_unreachable',
    `The event "${record.id}" was not sent, since the engine has not answered for ${timeoutMs} ms: it is not stored. Look whether the engine hangs, and publish it again.`,
    { retriable: true, facts: { id: record.id, topic: record.topic } },
  )
}

function unknownError(record: PublishRecord, timeoutMs: number, cause: Error): MillraceError {
  return new MillraceError(
    'publish_unknown',
    `Whether the event "${record.id}" is stored is not known${timeoutMs > 0 ? ` after ${timeoutMs} ms` : ''}: ${cause.message} It may be stored. ` +
      'Publish it again with the same id: what is stored is recognised, and stored once.',
    { retriable: true, cause, facts: { id: record.id, topic: record.topic } },
  )
}
