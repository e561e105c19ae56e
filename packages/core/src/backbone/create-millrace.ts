import { createCatalog } from '../contract/catalog.ts'
import type { AnyEventDefinition } from '../contract/event-definition.ts'
import { resolveLimits } from '../contract/limits.ts'
import type { Handler } from '../bus/handler.ts'
import { createLaneHints } from '../bus/lane-hints.ts'
import { createLoopWatchdog } from '../bus/loop-watchdog.ts'
import { createOutbox, createOutboxView } from '../bus/outbox.ts'
import { createPublisher } from '../bus/publisher.ts'
import { createPublishing } from '../bus/publishing.ts'
import type { SubscribeOptions } from '../bus/subscription.ts'
import { createTopicRegistry } from '../bus/topic-registry.ts'
import { createWaiting } from '../bus/waiting.ts'
import { wait } from '../runtime/abort.ts'
import { MillraceError } from '../runtime/error.ts'
import { systemRuntime } from '../runtime/system-runtime.ts'
import { createAsking } from './asking.ts'
import { checkMillraceOptions } from './check-millrace-options.ts'
import { createEngines } from './engines.ts'
import { createErrorLog } from './error-log.ts'
import type { Millrace, MillraceOptions } from './millrace.ts'
import { createOperating } from './operating.ts'
import { createPublishCalls } from './publish-calls.ts'
import { createReceiving } from './receiving.ts'
import { createWorking } from './working.ts'

/**
 * The backbone of this process: publishes, subscribes and reads through one engine. Opens nothing until it is used.
 *
 * @example
 * await using millrace = createMillrace({ name: 'shop', engine: sqlite('./shop.db') })
 * await millrace.subscribe(OrderPlaced, (order) => bill(order.data), { group: 'billing' })
 * await millrace.publish(OrderPlaced, { orderId: '42', total: 9.5 })
 */
export function createMillrace(options: MillraceOptions): Millrace {
  checkMillraceOptions(options)
  const { name = 'app', leaseMs = 5_000, publishTimeoutMs: timeoutMs = 10_000, maxPending = 100_000 } = options
  const runtime = options.runtime ?? systemRuntime()
  const onError = options.onError ?? createErrorLog(runtime)
  const engines = createEngines(options, name, runtime)
  const { main: driver } = engines
  const { transport, stores } = driver
  const { outbox: outboxStore } = engines.store.stores
  const isOwnLog = engines.store === driver
  const topicSettings = options.topics ?? {}
  const limits = resolveLimits(options.limits)
  const catalog = createCatalog(options.events)
  const topics = createTopicRegistry(transport, topicSettings)
  const publisher = createPublisher({ name, transport, runtime, timeoutMs, maxPending })
  const alive = new Int32Array(new SharedArrayBuffer(4))
  const watchdog = createLoopWatchdog({ millrace: name, runtime, alive })
  const hints = createLaneHints()
  const waiting = createWaiting({ transport, index: stores.index, definitions: catalog, runtime })
  const outbox = createOutbox({
    store: outboxStore,
    isOwnLog,
    topicOptions: (topic) => topicSettings[topic] ?? {},
    ready: startStore,
    isReady: () => engines.isStoreStarted && closing === undefined,
    runtime,
    timeoutMs,
    onAdded: () => forwarding.nudge(),
  })
  const publishing = createPublishing({
    publisher,
    outbox,
    topics,
    catalog,
    limits,
    runtime,
    source: `/${name}`,
    sessionId: `instance:${runtime.id()}`,
    ready: start,
    maxPending,
    timeoutMs,
  })
  const setup = { name, label: labelOf(name), engines, runtime, leaseMs, alive, timeoutMs, start, onError }
  const { subscriptions, forwarding } = createReceiving({ ...setup, given: options, topics, catalog, hints })
  const working = createWorking({
    ...setup,
    definitions: options.taskDefinitions ?? [],
    publishing,
    limits,
    maxPending,
    startStore,
    isOpen: () => engines.isStoreStarted && closing === undefined,
  })
  let starting: Promise<void> | undefined
  let closing: Promise<void> | undefined

  function start(): Promise<void> {
    if (closing !== undefined) return Promise.reject(closedError(name))
    starting ??= engines.start().then(forwarding.begin, (error: unknown) => {
      starting = undefined
      throw error
    })
    return starting
  }

  /** A transaction needs its database, whether or not the broker is there. */
  async function startStore(): Promise<void> {
    if (closing !== undefined) throw closedError(name)
    await engines.startStore()
    forwarding.begin()
  }

  async function close(timeoutMs: number): Promise<void> {
    waiting.close()
    await Promise.all([subscriptions.stop(timeoutMs), working.stop(timeoutMs), forwarding.stop(timeoutMs)])
    await Promise.race([publisher.idle(), wait(runtime, timeoutMs)])
    publisher.close()
    watchdog.stop()
    await Promise.race([starting?.catch(() => {}), wait(runtime, timeoutMs)])
    await engines.close()
  }

  const millrace: Millrace = {
    name,
    start,
    get capabilities() {
      return transport.capabilities
    },
    get catalog() {
      return catalog.list()
    },
    ...createPublishCalls(publishing, catalog, { hasDefaultLimits: options.limits === undefined }),
    subscribe: (events: unknown, handler: unknown, subscribeOptions: SubscribeOptions) =>
      start().then(async () => {
        const side = await forwarding.subscriptionsVia(subscribeOptions?.via)
        return side.subscribe(listOf(events), handler as Handler, subscribeOptions)
      }),
    ...createAsking({ publishing, waiting, topics, catalog, runtime, start }),
    ...createOperating({
      engines,
      definitions: catalog,
      runtime,
      hint: hints.hint,
      start,
      joinDeadTasks: working.joinDeadTasks,
    }),
    ...working.calls,
    outbox: createOutboxView(outboxStore, { isOwnLog, ready: start }),
    close: ({ timeoutMs = 10_000 } = {}) => (closing ??= close(timeoutMs)),
    [Symbol.asyncDispose]: () => millrace.close(),
  }
  return millrace
}

function listOf(events: unknown): string | readonly AnyEventDefinition[] {
  if (typeof events === 'string') return events
  return (Array.isArray(events) ? events : [events]) as readonly AnyEventDefinition[]
}

function labelOf(name: string): string {
  const pid = typeof process === 'undefined' ? undefined : process.pid
  return pid === undefined ? name : `${name} (pid ${pid})`
}

function closedError(name: string): MillraceError {
  return new MillraceError('closed', `Millrace "${name}" is closed.`)
}
