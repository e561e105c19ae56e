import type { Catalog } from '../contract/catalog.ts'
import type { LaneHints } from '../bus/lane-hints.ts'
import { appendsInside } from '../bus/outbox.ts'
import { createSubscriptions, type Subscriptions } from '../bus/subscriptions.ts'
import type { TopicRegistry } from '../bus/topic-registry.ts'
import type { Driver } from '../driver/driver.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Engines } from './engines.ts'
import { createForwarding, type Forwarding } from './forwarding.ts'
import type { MillraceOptions } from './millrace.ts'

/** What receiving is made of. */
export interface ReceivingOptions {
  readonly name: string
  readonly label: string
  readonly given: MillraceOptions
  readonly engines: Engines
  readonly topics: TopicRegistry
  readonly catalog: Catalog
  readonly hints: LaneHints
  readonly runtime: Runtime
  readonly leaseMs: number
  readonly alive: Int32Array
  readonly timeoutMs: number
  /** Opens the main engine. */
  readonly start: () => Promise<void>
  readonly onError: (error: unknown) => void
}

/** The subscriptions of every engine, and what moves events from one engine to another. */
export function createReceiving(options: ReceivingOptions): {
  readonly subscriptions: Subscriptions
  readonly forwarding: Forwarding
} {
  const { name, given, engines, topics, catalog, runtime, leaseMs, onError } = options
  const { outbox, inbox } = engines.store.stores
  const isOwnLog = engines.store === engines.main
  const subscriptionsOf = (side: Driver, registry: TopicRegistry): Subscriptions =>
    createSubscriptions({
      millrace: name,
      driver: side,
      topics: registry,
      catalog,
      definitions: catalog,
      middleware: given.middleware ?? [],
      runtime,
      leaseMs,
      alive: options.alive,
      hints: options.hints,
      label: options.label,
      onError,
      inbox: inbox === undefined ? undefined : { store: inbox, isFenced: side === engines.store },
    })
  const subscriptions = subscriptionsOf(engines.main, topics)
  const forwarding = createForwarding({
    name,
    engines,
    outbox: outbox === undefined || appendsInside(outbox, isOwnLog) ? undefined : outbox,
    topics,
    topicSettings: given.topics ?? {},
    subscriptions,
    subscriptionsOf,
    runtime,
    leaseMs: 1.6 * leaseMs,
    timeoutMs: options.timeoutMs,
    isEnabled: given.relay ?? true,
    start: options.start,
    onError,
  })
  return { subscriptions, forwarding }
}
