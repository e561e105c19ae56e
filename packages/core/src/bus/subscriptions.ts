import type { Catalog, Definitions } from '../contract/catalog.ts'
import type { AnyEventDefinition } from '../contract/event-definition.ts'
import { compilePattern, matchesPattern, topicOf } from '../contract/event-name.ts'
import type { Driver } from '../driver/driver.ts'
import { wait } from '../runtime/abort.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { InboxStore } from '../driver/inbox-store.ts'
import type { Execute } from './execution.ts'
import type { Handler, Middleware } from './handler.ts'
import type { InboxSetup } from './inbox.ts'
import type { InboxHandler } from './inbox-handler.ts'
import type { LaneHints } from './lane-hints.ts'
import { checkSubscribeOptions, resolveSubscription, type ResolvedSubscription } from './subscription-options.ts'
import { createSubscriptionRun } from './subscription-run.ts'
import type { SubscribeOptions, Subscription } from './subscription.ts'
import type { TopicRegistry } from './topic-registry.ts'

/** The subscriptions of one process. */
export interface Subscriptions {
  /** Throws `subscription_invalid`, `event_name_invalid`, `group_mismatch`, `engine_*`. */
  subscribe(
    events: string | readonly AnyEventDefinition[],
    handler: Handler | InboxHandler,
    options: SubscribeOptions,
    /** Runs the attempts instead of the handler, with the stored bytes. */
    execute?: Execute,
  ): Promise<Subscription>
  stop(timeoutMs: number): Promise<void>
}

export interface SubscriptionsOptions {
  readonly millrace: string
  readonly driver: Driver
  readonly topics: TopicRegistry
  readonly catalog: Catalog
  readonly definitions: Definitions
  readonly middleware: readonly Middleware[]
  readonly runtime: Runtime
  readonly leaseMs: number
  readonly alive: Int32Array
  readonly hints: LaneHints
  readonly label: string
  readonly onError: (error: unknown) => void
  /** The inbox of the database, and whether the leases of the groups lie there too. */
  readonly inbox: { readonly store: InboxStore; readonly isFenced: boolean } | undefined
}

const LOOK_FOR_TOPICS_MS = 2_000

export function createSubscriptions(setup: SubscriptionsOptions): Subscriptions {
  const { driver, topics, catalog, runtime } = setup
  const active = new Map<string, Subscription>()
  const joining = new Set<string>()
  const ended = new AbortController()

  async function subscribe(
    events: string | readonly AnyEventDefinition[],
    handler: Handler | InboxHandler,
    given: SubscribeOptions,
    execute?: Execute,
  ): Promise<Subscription> {
    checkSubscribeOptions(given)
    const options = resolveSubscription({ ...given, middleware: [...setup.middleware, ...(given.middleware ?? [])] })
    const { group } = options
    if (typeof handler !== 'function')
      throw invalid(`The handler is of type ${typeof handler}; it must be a function of the event.`, 'handler')
    if (active.has(group) || joining.has(group)) {
      throw new MillraceError(
        'group_mismatch',
        `The group "${group}" has a subscription in this process already. Raise its concurrency, or give this one a group of its own.`,
        { facts: { group } },
      )
    }
    joining.add(group)
    try {
      return await join(events, handler, options, execute)
    } finally {
      joining.delete(group)
    }
  }

  async function join(
    events: string | readonly AnyEventDefinition[],
    handler: Handler | InboxHandler,
    options: ResolvedSubscription,
    execute: Execute | undefined,
  ): Promise<Subscription> {
    const { group } = options
    const inbox = inboxOf(options)
    const types = typesOf(events)
    const starting = topicsOf(types)
    for (const topic of starting) await checkTopic(topic, options.ordering)
    await driver.transport.ensureGroup(group, starting, options.from)
    if (ended.signal.aborted) throw new MillraceError('closed', 'Millrace was closed while the subscription began.')
    const run = createSubscriptionRun({
      millrace: setup.millrace,
      member: runtime.id(),
      label: setup.label,
      options,
      handler,
      inbox,
      execute,
      types,
      definitions: setup.definitions,
      transport: driver.transport,
      stores: driver.stores,
      runtime,
      leaseMs: setup.leaseMs,
      alive: setup.alive,
      onError: setup.onError,
      onLaneHint: (listener) => setup.hints.listen(group, listener),
    })
    const subscription = withoutTrace(run, () => active.delete(group))
    active.set(group, subscription)
    if (types.some((type) => type.includes('*'))) void joinNewTopics(types, options, new Set(starting), subscription)
    await Promise.race([run.ready, wait(runtime, setup.leaseMs)])
    return subscription
  }

  function inboxOf({ group, inboxKeepMs: keepMs }: ResolvedSubscription): Omit<InboxSetup, 'onFenced'> | undefined {
    if (keepMs === undefined) return undefined
    if (setup.inbox !== undefined) return { ...setup.inbox, group, keepMs }
    throw new MillraceError(
      'capability_missing',
      `The group "${group}" asks for an inbox, which needs SQL transactions. Use sqlite() or postgres(), or give the broker a "store" of them.`,
      { path: 'inbox', facts: { group } },
    )
  }

  function typesOf(events: string | readonly AnyEventDefinition[]): readonly string[] {
    if (typeof events === 'string') {
      compilePattern(events)
      return [events]
    }
    if (events.length === 0)
      throw invalid(
        'The subscription names no event. Give at least one definition, or a pattern such as "order.*".',
        'events',
      )
    for (const definition of events) catalog.add(definition)
    return [...new Set(events.map((definition) => definition.type))].sort()
  }

  /** Topics that are known to hold such types: those of definitions, and the default topic of a pattern. */
  function topicsOf(types: readonly string[]): readonly string[] {
    const found = new Set<string>()
    for (const type of types) {
      const definition = catalog.get(type)
      if (definition !== undefined) found.add(definition.topic)
      const first = type.split('.')[0] ?? ''
      if (definition === undefined && !first.includes('*')) found.add(topicOf(type.includes('*') ? first : type))
      for (const known of catalog.list()) if (matchesPattern(type, known.type)) found.add(known.topic)
    }
    return [...found].sort()
  }

  async function checkTopic(topic: string, ordering: 'key' | 'topic' | 'none'): Promise<void> {
    const { info } = await topics.ensure(topic)
    if (ordering === 'topic' && info.partitions > 1) {
      throw new MillraceError(
        'subscription_invalid',
        `The topic "${topic}" has ${info.partitions} partitions, so there is no order over all of it. Make it with "topics: { '${topic}': { partitions: 1 } }", or order by key.`,
        { path: 'ordering', facts: { topic, partitions: info.partitions } },
      )
    }
  }

  /** A pattern without a fixed first word listens to every topic, also to those that are made later, from their beginning. */
  async function joinNewTopics(
    types: readonly string[],
    { group, from }: ResolvedSubscription,
    joined: Set<string>,
    subscription: Subscription,
  ): Promise<void> {
    const everywhere = types.some((type) => type.split('.')[0]?.includes('*'))
    let first = true
    while (!ended.signal.aborted && subscription.state !== 'stopped') {
      try {
        const existing = (await driver.transport.list()).topics.map(({ topic }) => topic)
        const fresh = existing.filter((topic) => !joined.has(topic) && (everywhere || topicsOf(types).includes(topic)))
        if (fresh.length > 0) await driver.transport.ensureGroup(group, fresh, first ? from : 'earliest')
        for (const topic of fresh) joined.add(topic)
      } catch (error) {
        if (isMillraceError(error, 'closed')) return
        setup.onError(error)
      }
      first = false
      await wait(runtime, LOOK_FOR_TOPICS_MS, ended.signal)
    }
  }

  return {
    subscribe,
    async stop(timeoutMs) {
      ended.abort()
      await Promise.all([...active.values()].map((subscription) => subscription.stop({ timeoutMs })))
    },
  }
}

function invalid(message: string, path: string): MillraceError {
  return new MillraceError('subscription_invalid', message, { path })
}

/** The same subscription, which is forgotten when it stops. */
function withoutTrace(run: Subscription, forget: () => void): Subscription {
  const subscription: Subscription = Object.create(run, {
    stop: {
      value: async (options?: { readonly timeoutMs?: number }) => {
        await run.stop(options)
        forget()
      },
    },
    [Symbol.asyncDispose]: { value: () => subscription.stop() },
  })
  return subscription
}
