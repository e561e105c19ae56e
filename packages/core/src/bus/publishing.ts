import type { Catalog } from '../contract/catalog.ts'
import { checkEvent } from '../contract/check-event.ts'
import { encodeEvent } from '../contract/cloud-events.ts'
import { checkJson } from '../contract/json-check.ts'
import { hasLoneSurrogate } from '../contract/plain-copy.ts'
import { createEvent, topicOfMessage } from '../contract/create-event.ts'
import type { AnyEventDefinition, CreateOptions } from '../contract/event-definition.ts'
import type { EventMessage } from '../contract/event.ts'
import type { Limits } from '../contract/limits.ts'
import { encodeCursor } from '../driver/cursor.ts'
import type { OutboxRecord } from '../driver/outbox-store.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { inFlowOf } from './event-flow.ts'
import { handlingContext } from './handling-context.ts'
import type { Publisher, Settlement, SubmitOptions } from './publisher.ts'
import type { Enlisted, Outbox } from './outbox.ts'
import { createTopicOpening } from './topic-opening.ts'
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
  /** Creates an event and publishes it, in less time than the two take. Throws as `create` does. */
  publishNew(definition: AnyEventDefinition, data: unknown, options?: CreateOptions): Promise<Published>
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
  /** Milliseconds that they may wait for it, and for their outcome, in all. */
  readonly timeoutMs: number
}

/** A record whose partition is not known before its topic is. */
interface Prepared extends OutboxRecord {
  partition: number
}

/** What every Prepared begins as a copy of, for the same reason as in `publisher.ts`. */
const BLANK = {
  topic: '',
  partition: -1,
  id: '',
  source: '',
  type: '',
  key: undefined,
  correlationId: undefined,
  body: '',
}

/** What has been checked of an event. */
type Checked = boolean | 'but-texts'

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
  const opening = createTopicOpening({ runtime, ready, ensure: topics.ensure, maxPending, timeoutMs })
  let cursor = ''
  let cursorUntil = -Infinity

  function create(
    definition: AnyEventDefinition,
    data: unknown,
    options: CreateOptions | undefined,
    textsLater: boolean,
  ): EventMessage {
    const inherit = handlingContext.getStore()
    return createEvent(definition, data, options, { runtime, source, sessionId, limits, textsLater, inherit })
  }

  /** Checks and encodes before anything is sent; what is wrong with the event is a rejection of it alone. */
  function prepare(event: EventMessage, checked: Checked): Prepared | PublishResult {
    try {
      if (checked === false) checkEvent(event, limits)
      const message = inFlowOf(event, handlingContext.getStore())
      const { id, source, type, key, metadata } = message
      const body = encodeEvent(message, limits)
      if (checked === 'but-texts' && hasLoneSurrogate(body)) checkJson(event.data, { bounds: limits })
      return {
        ...BLANK,
        topic: catalog.get(type)?.topic ?? topicOfMessage(event),
        id,
        source,
        type,
        key,
        correlationId: metadata.correlationId === id ? undefined : metadata.correlationId,
        body,
      }
    } catch (error) {
      return { outcome: 'rejected', id: idOf(event), error: asError(error) }
    }
  }

  function publishOne(prepared: Prepared | PublishResult, signal: AbortSignal | undefined): Promise<Published> {
    return new Promise((resolve, reject) => {
      const done = (result: PublishResult): void => {
        if (result.outcome === 'stored') resolve(result)
        else reject(result.error)
      }
      if ('outcome' in prepared) done(prepared)
      else submit(prepared, signal, done)
    })
  }

  function submit(prepared: Prepared, signal: AbortSignal | undefined, done: (result: PublishResult) => void): void {
    const { topic } = prepared
    const now = runtime.monotonic()
    const options = { signal, deadline: now + timeoutMs }
    const before = cursorAt(now)
    const settle = (settlement: Settlement): void => done(resultOf(prepared, settlement, before))
    const known = topics.known(topic)
    if (known !== undefined && !opening.isOpening(topic)) return send(prepared, known, settle, options)
    opening.whenOpen(topic, {
      go: (made) => send(prepared, made, settle, options),
      fail: (error) => settle({ outcome: 'rejected', error: asError(error) }),
    })
  }

  function send(
    prepared: Prepared,
    known: KnownTopic,
    settle: (settlement: Settlement) => void,
    options: SubmitOptions,
  ): void {
    prepared.partition = known.partition(prepared.key, prepared.id)
    publisher.submit(prepared, settle, options)
  }

  /** One text for all publishes of a millisecond. */
  function cursorAt(now: number): string {
    if (now >= cursorUntil) {
      cursorUntil = now + 1
      cursor = encodeCursor({ time: runtime.now() - CURSOR_MARGIN_MS, topics: {} })
    }
    return cursor
  }

  return {
    create: (definition, data, options) => create(definition, data, options, false),
    // Not in the promises, whose functions would keep the message and its data for as long as it is on its way.
    publishNew: (definition, data, options) =>
      publishOne(prepare(create(definition, data, options, true), 'but-texts'), undefined),
    publish: (event, { signal, checked = false } = {}) => publishOne(prepare(event, checked), signal),
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
      const prepared: OutboxRecord[] = []
      for (const event of events) {
        const one = prepare(event, checked)
        if (!('outcome' in one)) prepared.push(one)
        else if (one.outcome !== 'stored') return Promise.reject(one.error)
      }
      const weight = overweightOf(prepared)
      if (weight !== undefined) return Promise.reject(weight)
      const enlisted = prepared.map(({ id, topic }) => ({ outcome: 'enlisted' as const, id, topic }))
      return outbox.enlist(tx, prepared).then(() => enlisted)
    },
  }

  function excessOf({ length }: readonly EventMessage[]): MillraceError | undefined {
    return length > limits.batchEvents ? tooLarge(`${length} events`, `${limits.batchEvents}`) : undefined
  }

  function overweightOf(prepared: readonly (OutboxRecord | PublishResult)[]): MillraceError | undefined {
    const characters = prepared.reduce((sum, one) => sum + ('outcome' in one ? 0 : one.body.length), 0)
    return characters > limits.batchBytes ? tooLarge(`${characters} bytes`, `${limits.batchBytes}`) : undefined
  }
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

function resultOf({ id, topic }: OutboxRecord, settlement: Settlement, cursor: string): PublishResult {
  if (settlement.outcome !== 'stored') return { ...settlement, id }
  const { outcome, partition, position, duplicate } = settlement
  return { outcome, id, topic, partition, position, cursor, duplicate }
}

function asError(error: unknown): MillraceError {
  if (isMillraceError(error)) return error
  return new MillraceError(
    'publish_rejected',
    `The event could not be published: ${error instanceof Error ? error.message : String(error)}`,
    { cause: error },
  )
}
