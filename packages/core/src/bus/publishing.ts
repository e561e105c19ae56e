import type { Catalog } from '../contract/catalog.ts'
import { checkEvent } from '../contract/check-event.ts'
import { encodeEvent } from '../contract/cloud-events.ts'
import { createEvent, topicOfMessage } from '../contract/create-event.ts'
import type { AnyEventDefinition, CreateOptions } from '../contract/event-definition.ts'
import type { EventMessage } from '../contract/event.ts'
import type { Limits } from '../contract/limits.ts'
import { encodeCursor } from '../driver/cursor.ts'
import type { OutboxRecord } from '../driver/outbox-store.ts'
import type { PublishRecord } from '../driver/record.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { inFlowOf } from './event-flow.ts'
import { handlingContext } from './handling-context.ts'
import { backpressure, type Publisher, type Settlement } from './publisher.ts'
import type { Enlisted, Outbox } from './outbox.ts'
import type { KnownTopic, TopicRegistry } from './topic-registry.ts'

/** A published event's place. */
export interface Published {
  readonly outcome: 'stored'
  readonly id: string
  readonly topic: string
  readonly partition: number
  readonly position: string
  /** An opaque place before the event: `waitFor` and `follow` take it. */
  readonly cursor: string
  /** Whether it had been stored before. */
  readonly duplicate: boolean
}

/** What became of one event of a batch. */
export type PublishResult =
  | Published
  | { readonly outcome: 'rejected' | 'unknown'; readonly id: string; readonly error: MillraceError }

/** From data to stored events: creates, places, encodes, and hands to the publisher. */
export interface Publishing {
  create(definition: AnyEventDefinition, data: unknown, options?: CreateOptions): EventMessage
  /** `checked` events come from `create`; others are checked here. */
  publish(
    event: EventMessage,
    options?: { readonly signal?: AbortSignal | undefined; readonly checked?: boolean },
  ): Promise<Published>
  publishBatch(
    events: readonly EventMessage[],
    options?: { readonly signal?: AbortSignal | undefined; readonly checked?: boolean },
  ): Promise<readonly PublishResult[]>
  /** Joins events to the caller's transaction, all or nothing. Throws what is wrong with the first that cannot be joined. */
  enlist(events: readonly EventMessage[], tx: object, checked?: boolean): Promise<readonly Enlisted[]>
}

export interface PublishingOptions {
  readonly publisher: Publisher
  readonly outbox: Outbox
  readonly topics: TopicRegistry
  readonly catalog: Catalog
  readonly limits: Limits
  readonly runtime: Runtime
  readonly source: string
  readonly sessionId: string
  /** Opens the engine. */
  readonly ready: () => Promise<void>
  /** Publishes that may wait at once for a topic to be made. */
  readonly maxPending: number
  /** Milliseconds that they may wait for it. */
  readonly timeoutMs: number
}

/** An event that is ready to be sent. */
interface Prepared {
  readonly message: EventMessage
  readonly topic: string
  readonly body: string
}

/** A publish that waits for its topic. */
interface Opening {
  readonly go: (topic: KnownTopic) => void
  readonly fail: (error: unknown) => void
}

/** Clocks of other processes may be this far behind ours: a cursor looks back a little further. Milliseconds. */
const CURSOR_MARGIN_MS = 1_000

export function createPublishing({
  publisher,
  outbox,
  topics,
  catalog,
  limits,
  runtime,
  source,
  sessionId,
  ready,
  maxPending,
  timeoutMs,
}: PublishingOptions): Publishing {
  const opening = new Map<string, Opening[]>()
  let cursor = ''
  let cursorAt = -1

  /** Checks and encodes before anything is sent; what is wrong with the event is a rejection of it alone. */
  function prepare(event: EventMessage, checked: boolean): Prepared | PublishResult {
    try {
      if (!checked) checkEvent(event, limits)
      const message = inFlowOf(event, handlingContext.getStore())
      return {
        message,
        topic: catalog.get(event.type)?.topic ?? topicOfMessage(event),
        body: encodeEvent(message, limits),
      }
    } catch (error) {
      return { outcome: 'rejected', id: idOf(event), error: asError(error) }
    }
  }

  /** Events wait, in order, for a topic that is being made; when it cannot be made, all of them hear why. */
  function submit(prepared: Prepared, signal: AbortSignal | undefined, done: (result: PublishResult) => void): void {
    const { topic } = prepared
    const known = topics.known(topic)
    const queue = opening.get(topic)
    if (queue === undefined && known !== undefined) return send(prepared, known, signal, done)
    const waiting: Opening = {
      go: (made) => send(prepared, made, signal, done),
      fail: (error) => done({ outcome: 'rejected', id: prepared.message.id, error: asError(error) }),
    }
    if (queue === undefined) void openTopic(topic, waiting)
    else if (queue.length < maxPending) queue.push(waiting)
    else waiting.fail(backpressure(queue.length))
  }

  async function openTopic(topic: string, first: Opening): Promise<void> {
    const queue = [first]
    opening.set(topic, queue)
    try {
      const made = await within(
        timeoutMs,
        ready().then(() => topics.ensure(topic)),
      )
      opening.delete(topic)
      for (const { go } of queue) go(made)
    } catch (error) {
      opening.delete(topic)
      for (const { fail } of queue) fail(error)
    }
  }

  /** The engine may take its time to open; who publishes need not. */
  function within(ms: number, made: Promise<KnownTopic>): Promise<KnownTopic> {
    return new Promise((resolve, reject) => {
      const timer = runtime.setTimer(() => reject(notOpen(ms)), ms)
      made.then(resolve, reject).finally(() => timer.cancel())
    })
  }

  function send(
    prepared: Prepared,
    known: KnownTopic,
    signal: AbortSignal | undefined,
    done: (result: PublishResult) => void,
  ): void {
    const record = { ...recordOf(prepared), partition: known.partition(prepared.message.key, prepared.message.id) }
    const before = cursorNow()
    publisher.submit(record, (settlement) => done(resultOf(record, settlement, before)), signal)
  }

  /** One text for all publishes of a millisecond. */
  function cursorNow(): string {
    const now = runtime.now()
    if (now !== cursorAt) {
      cursorAt = now
      cursor = encodeCursor({ time: now - CURSOR_MARGIN_MS, topics: {} })
    }
    return cursor
  }

  return {
    create: (definition, data, options) =>
      createEvent(definition, data, options, {
        runtime,
        source,
        sessionId,
        limits,
        inherit: handlingContext.getStore(),
      }),
    publish(event, { signal, checked = false } = {}) {
      return new Promise((resolve, reject) => {
        const done = (result: PublishResult): void => {
          if (result.outcome === 'stored') resolve(result)
          else reject(result.error)
        }
        const prepared = prepare(event, checked)
        if ('outcome' in prepared) done(prepared)
        else submit(prepared, signal, done)
      })
    },
    publishBatch(events, { signal, checked = false } = {}) {
      if (events.length === 0) return Promise.resolve([])
      const excess = excessOf(events)
      if (excess !== undefined) return Promise.reject(excess)
      const prepared = events.map((event) => prepare(event, checked))
      const weight = overweightOf(prepared)
      if (weight !== undefined) return Promise.reject(weight)
      return new Promise((resolve) => {
        const results: PublishResult[] = Array.from({ length: events.length })
        let open = events.length
        prepared.forEach((one, at) => {
          const done = (result: PublishResult): void => {
            results[at] = result
            open -= 1
            if (open === 0) resolve(results)
          }
          if ('outcome' in one) done(one)
          else submit(one, signal, done)
        })
      })
    },
    enlist(events, tx, checked = false) {
      if (events.length === 0) return Promise.resolve([])
      const excess = excessOf(events)
      if (excess !== undefined) return Promise.reject(excess)
      const prepared: Prepared[] = []
      for (const event of events) {
        const one = prepare(event, checked)
        if (!('outcome' in one)) prepared.push(one)
        else if (one.outcome !== 'stored') return Promise.reject(one.error)
      }
      const weight = overweightOf(prepared)
      if (weight !== undefined) return Promise.reject(weight)
      const enlisted = prepared.map(({ message, topic }) => ({ outcome: 'enlisted' as const, id: message.id, topic }))
      return outbox.enlist(tx, prepared.map(recordOf)).then(() => enlisted)
    },
  }

  function excessOf({ length }: readonly EventMessage[]): MillraceError | undefined {
    return length > limits.batchEvents ? tooLarge(`${length} events`, `${limits.batchEvents}`) : undefined
  }

  function overweightOf(prepared: readonly (Prepared | PublishResult)[]): MillraceError | undefined {
    const characters = prepared.reduce((sum, one) => sum + ('outcome' in one ? 0 : one.body.length), 0)
    return characters > limits.batchBytes ? tooLarge(`${characters} bytes`, `${limits.batchBytes}`) : undefined
  }
}

function recordOf({ message, topic, body }: Prepared): OutboxRecord {
  const { id, source, type, key, metadata } = message
  const correlationId = metadata.correlationId === id ? undefined : metadata.correlationId
  return { topic, id, source, type, key, correlationId, body }
}

function notOpen(ms: number): MillraceError {
  return new MillraceError(
    'engine_unreachable',
    `The engine was not open within ${ms} ms: nothing was sent. Publish again.`,
    {
      retriable: true,
    },
  )
}

function tooLarge(what: string, limit: string): MillraceError {
  return new MillraceError(
    'limit_exceeded',
    `The batch has ${what}; at most ${limit} are allowed. Publish it in parts.`,
    { path: 'events' },
  )
}

/** The id of whatever was passed in, for its result. */
function idOf(event: unknown): string {
  return typeof event === 'object' && event !== null && 'id' in event && typeof event.id === 'string' ? event.id : ''
}

function resultOf(record: PublishRecord, settlement: Settlement, cursor: string): PublishResult {
  if (settlement.outcome !== 'stored') return { id: record.id, ...settlement }
  return { id: record.id, topic: record.topic, cursor, ...settlement }
}

function asError(error: unknown): MillraceError {
  if (isMillraceError(error)) return error
  return new MillraceError(
    'publish_rejected',
    `The event could not be published: ${error instanceof Error ? error.message : String(error)}`,
    { cause: error },
  )
}
