import type { AnyEventDefinition, CreateOptions, EventInput, EventOf } from '../contract/event-definition.ts'
import type { EventMessage } from '../contract/event.ts'
import type { Engine } from '../driver/driver.ts'
import type { Handler } from '../bus/handler.ts'
import type { Published, PublishResult } from '../bus/publishing.ts'
import type { SubscribeOptions, Subscription } from '../bus/subscription.ts'
import { MillraceError } from '../runtime/error.ts'
import { checkEventClient } from './check-millrace-options.ts'
import { createMillrace } from './create-millrace.ts'
import { createSpool } from './event-spool.ts'
import type { MillraceOptions } from './millrace.ts'

type Definitions = Readonly<Record<string, AnyEventDefinition>>

/** Options of `createEventClient`: those of a backbone, and where to keep events while the engine is away. */
export interface EventClientOptions extends Omit<MillraceOptions, 'events'> {
  /**
   * An engine of this machine (`sqlite('./spool.db')`) that takes events while the real one cannot be reached; they
   * are forwarded in order, with their ids, when it is back. Without it such a publish fails with its typed error.
   */
  readonly spool?: Engine
}

/** An event that waits in the spool: it is stored on this machine, and not yet in the engine. */
export interface Spooled {
  readonly outcome: 'spooled'
  readonly id: string
}

/** One method per definition: `OrderPlaced` gives `publishOrderPlaced(data)`. */
export type PublishMethods<Events extends Definitions> = {
  readonly [Name in keyof Events & string as `publish${Capitalize<Name>}`]: (
    data: EventInput<Events[Name]>,
    options?: CreateOptions,
  ) => Promise<Published | Spooled>
}

/** The topics of definitions by upper-cased name: `order` is `STREAMS.ORDER`, `user-profile` is `STREAMS.USER_PROFILE`. */
export type Streams<Events extends Definitions> = {
  readonly [Topic in Events[keyof Events]['topic'] as StreamName<Topic>]: Topic
}

type StreamName<Topic extends string> = Uppercase<Underscored<Topic>>
type Underscored<Text extends string> = Text extends `${infer Head}${'-' | '.'}${infer Tail}`
  ? `${Head}_${Underscored<Tail>}`
  : Text

/** Publishing and waiting for a service that has no handlers of its own to run. */
export type EventClient<Events extends Definitions> = EventClientBase<Events> & PublishMethods<Events>

export interface EventClientBase<Events extends Definitions> {
  publish<Definition extends Events[keyof Events]>(
    definition: Definition,
    data: EventInput<Definition>,
    options?: CreateOptions,
  ): Promise<Published | Spooled>
  /** Stores many, one result each; with the engine away they go to the spool if there is one. */
  publishBatch(events: readonly EventMessage[]): Promise<readonly (PublishResult | Spooled)[]>
  subscribe<const Subscribed extends Events[keyof Events]>(
    definition: Subscribed,
    handler: Handler<EventOf<Subscribed>>,
    options: SubscribeOptions,
  ): Promise<Subscription>
  /** The next event of this topic, type and correlation. Throws `wait_timeout`, `event_unknown_type` for a type that the client was not given. */
  waitForEvent<Type extends Events[keyof Events]['type']>(
    topic: Extract<Events[keyof Events], { readonly type: Type }>['topic'],
    type: Type,
    correlationId: string,
    options?: { readonly timeout?: number; readonly after?: string; readonly signal?: AbortSignal },
  ): Promise<EventOf<Extract<Events[keyof Events], { readonly type: Type }>>>
  /** Publishes a request and resolves with its reply. Throws `wait_timeout`. */
  request<Request extends Events[keyof Events], Reply extends Events[keyof Events]>(
    request: Request,
    data: EventInput<Request>,
    options: CreateOptions & { readonly reply: Reply; readonly timeout?: number; readonly signal?: AbortSignal },
  ): Promise<EventOf<Reply>>
  readonly topics: Streams<Events>
  readonly STREAMS: Streams<Events>
  /** Events that wait in the spool. */
  spooled(): Promise<number>
  close(options?: { readonly timeoutMs?: number }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * A typed client over a set of definitions.
 *
 * @example
 * const events = createEventClient({ OrderPlaced, QuoteReady }, { engine: sqlite('./shop.db') })
 * const { id } = await events.publishOrderPlaced({ orderId: '42', total: 9.5 })
 * const quote = await events.waitForEvent(events.STREAMS.QUOTE, 'quote.ready', id, { timeout: 5_000 })
 */
export function createEventClient<const Events extends Definitions>(
  events: Events,
  options: EventClientOptions,
): EventClient<Events> {
  checkEventClient(events, options)
  const { spool: spoolEngine, ...backboneOptions } = options
  const definitions = Object.values(events)
  const byType = new Map(definitions.map((definition) => [definition.type, definition]))
  const millrace = createMillrace({ ...backboneOptions, events: definitions })
  const spool =
    spoolEngine === undefined ? undefined : createSpool({ millrace, engine: spoolEngine, options: backboneOptions })
  const topics = streamsOf(definitions) as Streams<Events>

  async function send(event: EventMessage): Promise<Published | Spooled> {
    return spool === undefined ? millrace.publish(event) : spool.publish(event)
  }

  const base: EventClientBase<Events> = {
    publish: (definition, data, createOptions) => attempt(() => send(millrace.create(definition, data, createOptions))),
    publishBatch: (batch) => (spool === undefined ? millrace.publishBatch(batch) : spool.publishBatch(batch)),
    subscribe: (definition, handler, subscribeOptions) =>
      millrace.subscribe([definition as AnyEventDefinition], handler as Handler, subscribeOptions),
    async waitForEvent(topic, type, correlationId, waitOptions = {}) {
      const definition = byType.get(type)
      if (definition === undefined)
        throw new MillraceError(
          'event_unknown_type',
          `The client was not given a definition of "${type}". Add it to createEventClient({ … }).`,
          { facts: { type } },
        )
      if (definition.topic !== topic)
        throw new MillraceError(
          'event_unknown_type',
          `"${type}" is published to the topic "${definition.topic}", not to "${topic}".`,
          { facts: { type, topic } },
        )
      return (await millrace.waitFor(definition, { correlationId, ...waitOptions })) as never
    },
    request: (request, data, requestOptions) => millrace.request(request, data, requestOptions) as never,
    topics,
    STREAMS: topics,
    spooled: async () => (spool === undefined ? 0 : spool.waiting()),
    async close(closeOptions) {
      await spool?.close(closeOptions)
      await millrace.close(closeOptions)
    },
    [Symbol.asyncDispose]: () => base.close(),
  }
  const methods = Object.entries(events).map(([name, definition]) => [
    `publish${name.charAt(0).toUpperCase()}${name.slice(1)}`,
    (data: unknown, createOptions?: CreateOptions) => base.publish(definition as never, data as never, createOptions),
  ])
  return Object.assign(base, Object.fromEntries(methods)) as EventClient<Events>
}

/** Turns a synchronous refusal into a rejection, so that callers handle one kind of failure. */
async function attempt<Result>(call: () => Promise<Result>): Promise<Result> {
  return call()
}

function streamsOf(definitions: readonly AnyEventDefinition[]): Readonly<Record<string, string>> {
  return Object.freeze(
    Object.fromEntries(definitions.map(({ topic }) => [topic.toUpperCase().replaceAll(/[-.]/g, '_'), topic])),
  )
}
