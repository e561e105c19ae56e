import { startLogRelay } from '../bus/log-relay.ts'
import { createRelay, type Relay } from '../bus/relay.ts'
import type { Subscriptions } from '../bus/subscriptions.ts'
import { createTopicRegistry, type TopicRegistry } from '../bus/topic-registry.ts'
import type { Driver } from '../driver/driver.ts'
import type { OutboxStore } from '../driver/outbox-store.ts'
import type { TopicOptions } from '../driver/transport.ts'
import { wait } from '../runtime/abort.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Engines } from './engines.ts'

/** What moves events from one engine of the backbone to another. */
export interface Forwarding {
  /** Starts what there is to forward; called when the store is open. Idempotent. */
  begin(): void
  /** A row was written to the outbox. */
  nudge(): void
  /** The subscriptions of the engine that a group reads. Throws `subscription_invalid`, `engine_*`. */
  subscriptionsVia(via: 'transport' | 'log' | undefined): Promise<Subscriptions>
  stop(timeoutMs: number): Promise<void>
}

export interface ForwardingOptions {
  readonly name: string
  readonly engines: Engines
  /** The outbox, if rows wait in it. */
  readonly outbox: OutboxStore | undefined
  /** Topics of the main engine. */
  readonly topics: TopicRegistry
  readonly topicSettings: Readonly<Record<string, TopicOptions>>
  /** Subscriptions of the main engine. */
  readonly subscriptions: Subscriptions
  readonly subscriptionsOf: (driver: Driver, topics: TopicRegistry) => Subscriptions
  readonly runtime: Runtime
  /** Milliseconds after which a silent relay is held for dead: longer than a member, for its takeover hurries nobody. */
  readonly leaseMs: number
  readonly timeoutMs: number
  readonly isEnabled: boolean
  /** Opens the main engine. */
  readonly start: () => Promise<void>
  readonly onError: (error: unknown) => void
}

export function createForwarding(options: ForwardingOptions): Forwarding {
  const { name, engines, outbox, subscriptions, runtime, onError } = options
  const { distribution } = engines
  const fedTopics = distribution && createTopicRegistry(distribution.transport, options.topicSettings)
  const fed = distribution && fedTopics && options.subscriptionsOf(distribution, fedTopics)
  let relay: Relay | undefined
  let begun = false
  let stopped = false

  async function beginLogRelay(): Promise<void> {
    if (distribution === undefined || fedTopics === undefined) return
    await options.start()
    const target = { transport: distribution.transport, topics: fedTopics, ready: engines.startDistribution }
    await startLogRelay({ name, subscriptions, target, runtime, timeoutMs: options.timeoutMs })
  }

  return {
    begin() {
      if (begun || stopped || !options.isEnabled) return
      begun = true
      if (outbox !== undefined) {
        relay = createRelay({
          millrace: name,
          owner: runtime.id(),
          store: outbox,
          target: { transport: engines.main.transport, topics: options.topics, ready: options.start },
          runtime,
          leaseMs: options.leaseMs,
          onError,
        })
      }
      beginLogRelay().catch((error: unknown) => {
        if (!isMillraceError(error, 'closed')) onError(error)
      })
    },
    nudge: () => relay?.nudge(),
    async subscriptionsVia(via) {
      if (via === 'log' && fed === undefined) {
        throw new MillraceError(
          'subscription_invalid',
          'The option "via" of the subscription is "log", but the backbone has no log beside its transport. Leave it out, or give createMillrace a "log".',
          { path: 'via' },
        )
      }
      if (fed === undefined || via === 'log') return subscriptions
      await engines.startDistribution()
      return fed
    },
    async stop(timeoutMs) {
      stopped = true
      await Promise.all([Promise.race([relay?.stop(), wait(runtime, timeoutMs)]), fed?.stop(timeoutMs)])
    },
  }
}
