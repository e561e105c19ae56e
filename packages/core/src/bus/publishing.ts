import type { Catalog } from '../contract/catalog.ts'
import { encodeEvent } from '../contract/cloud-events.ts'
import { createEvent } from '../contract/create-event.ts'
import type { AnyEventDefinition, CreateOptions } from '../contract/event-definition.ts'
import { topicOf } from '../contract/event-name.ts'
import type { EventMessage } from '../contract/event.ts'
import type { Limits } from '../contract/limits.ts'
import { encodeCursor } from '../driver/cursor.ts'
import type { PublishRecord } from '../driver/record.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { handlingContext } from './handling-context.ts'
import type { Publisher, Settlement } from './publisher.ts'
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
  publish(event: EventMessage, signal?: AbortSignal): Promise<Published>
  publishBatch(events: readonly EventMessage[], signal?: AbortSignal): Promise<readonly PublishResult[]>
}

export interface PublishingOptions {
  readonly publisher: Publisher
  readonly topics: TopicRegistry
  readonly catalog: Catalog
  readonly limits: Limits
  readonly runtime: Runtime
  readonly source: string
  readonly sessionId: string
  /** Opens the engine. */
  readonly ready: () => Promise<void>
}

/** Handlers that publish what they handle go round in a circle; at this many rounds it is broken. */
const MOST_HOPS = 64
/** Clocks of other processes may be this far behind ours: a cursor looks back a little further. Milliseconds. */
const CURSOR_MARGIN_MS = 1_000

export function createPublishing({
  publisher,
  topics,
  catalog,
  limits,
  runtime,
  source,
  sessionId,
  ready,
}: PublishingOptions): Publishing {
  let cursor = ''
  let cursorAt = -1

  function submit(event: EventMessage, signal: AbortSignal | undefined, done: (result: PublishResult) => void): void {
    let record: PublishRecord
    const inherited = inherit(event)
    const topic = catalog.get(event.type)?.topic ?? topicOf(event.type)
    const known = topics.known(topic)
    if (known === undefined) {
      ready()
        .then(() => topics.ensure(topic))
        .then(() => submit(event, signal, done))
        .catch((error: unknown) => done({ outcome: 'rejected', id: event.id, error: asError(error) }))
      return
    }
    try {
      record = recordOf(inherited, topic, known)
    } catch (error) {
      return done({ outcome: 'rejected', id: String(event?.id), error: asError(error) })
    }
    const before = cursorNow()
    publisher.submit(record, (settlement) => done(resultOf(record, settlement, before)), signal)
  }

  /** A message made outside of `publish` still belongs to the flow of the event being handled. */
  function inherit(event: EventMessage): EventMessage {
    const handled = handlingContext.getStore()
    if (handled === undefined) return event
    const hops = Number(handled.metadata.extensions?.['hops'] ?? 0) + 1
    if (hops > MOST_HOPS) {
      throw new MillraceError(
        'limit_exceeded',
        `The event "${event.type}" is the ${hops}th in a chain of events that cause one another. Break the circle of handlers.`,
        { path: 'metadata.extensions.hops' },
      )
    }
    const begins = event.metadata.correlationId === event.id && event.metadata.causationId === undefined
    const { correlationId, traceparent, tracestate } = handled.metadata
    return {
      ...event,
      metadata: {
        ...event.metadata,
        ...(begins ? { correlationId, causationId: handled.id } : {}),
        ...(traceparent !== undefined && event.metadata.traceparent === undefined ? { traceparent } : {}),
        ...(tracestate !== undefined && event.metadata.tracestate === undefined ? { tracestate } : {}),
        extensions: { ...event.metadata.extensions, hops },
      },
    }
  }

  function recordOf(event: EventMessage, topic: string, known: KnownTopic): PublishRecord {
    const { correlationId } = event.metadata
    return {
      topic,
      partition: known.partition(event.key),
      id: event.id,
      source: event.source,
      type: event.type,
      key: event.key,
      correlationId: correlationId === event.id ? undefined : correlationId,
      body: encodeEvent(event, limits),
    }
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
    publish(event, signal) {
      return new Promise((resolve, reject) => {
        submit(event, signal, (result) => {
          if (result.outcome === 'stored') resolve(result)
          else reject(result.error)
        })
      })
    },
    publishBatch(events, signal) {
      if (events.length === 0) return Promise.resolve([])
      if (events.length > limits.batchEvents) {
        const text = `The batch has ${events.length} events; at most ${limits.batchEvents} are allowed. Publish it in parts.`
        return Promise.reject(
          new MillraceError('limit_exceeded', text, { facts: { events: events.length, limit: limits.batchEvents } }),
        )
      }
      return new Promise((resolve, reject) => {
        const results: PublishResult[] = Array.from({ length: events.length })
        let open = events.length
        events.forEach((event, at) => {
          try {
            submit(event, signal, (result) => {
              results[at] = result
              open -= 1
              if (open === 0) resolve(results)
            })
          } catch (error) {
            reject(error)
          }
        })
      })
    },
  }
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
