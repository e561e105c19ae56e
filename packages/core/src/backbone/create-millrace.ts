import { createCatalog } from '../contract/catalog.ts'
import type { AnyEventDefinition } from '../contract/event-definition.ts'
import { assertTopicName } from '../contract/event-name.ts'
import type { EventMessage } from '../contract/event.ts'
import { resolveLimits } from '../contract/limits.ts'
import type { Handler } from '../bus/handler.ts'
import { createLaneHints } from '../bus/lane-hints.ts'
import { createLoopWatchdog } from '../bus/loop-watchdog.ts'
import { observeDriver } from '../bus/observed-driver.ts'
import { createPublisher } from '../bus/publisher.ts'
import { createPublishing } from '../bus/publishing.ts'
import { createSubscriptions } from '../bus/subscriptions.ts'
import { createTopicRegistry } from '../bus/topic-registry.ts'
import { createWaiting } from '../bus/waiting.ts'
import { isAtLeast } from '../driver/capabilities.ts'
import { wait } from '../runtime/abort.ts'
import { MillraceError } from '../runtime/error.ts'
import { systemRuntime } from '../runtime/system-runtime.ts'
import { createAsking } from './asking.ts'
import type { Millrace, MillraceOptions } from './millrace.ts'
import { createOperating } from './operating.ts'

/**
 * The backbone of this process: publishes, subscribes and reads through one engine. Opens nothing until it is used.
 *
 * @example
 * await using millrace = createMillrace({ name: 'shop', engine: sqlite('./shop.db') })
 * await millrace.subscribe(OrderPlaced, (order) => bill(order.data), { group: 'billing' })
 * await millrace.publish(OrderPlaced, { orderId: '42', total: 9.5 })
 */
export function createMillrace(options: MillraceOptions): Millrace {
  const { engine, name = 'app', leaseMs = 5_000, publishTimeoutMs = 10_000, maxPending = 100_000 } = options
  assertTopicName(name)
  const runtime = options.runtime ?? systemRuntime()
  const onError = options.onError ?? ((error: unknown) => runtime.log.error(textOf(error)))
  const driver = observeDriver(engine.open(runtime), { millrace: name, runtime })
  const { transport, stores } = driver
  const limits = resolveLimits(options.limits)
  const catalog = createCatalog(options.events)
  const topics = createTopicRegistry(transport, options.topics ?? {})
  const publisher = createPublisher({ name, transport, runtime, timeoutMs: publishTimeoutMs, maxPending })
  const alive = new Int32Array(new SharedArrayBuffer(4))
  const watchdog = createLoopWatchdog({ millrace: name, runtime, alive })
  const hints = createLaneHints()
  const waiting = createWaiting({ transport, index: stores.index, definitions: catalog, runtime })
  const sessionId = `instance:${runtime.id()}`
  const publishing = createPublishing({
    publisher,
    topics,
    catalog,
    limits,
    runtime,
    source: `/${name}`,
    sessionId,
    ready: start,
    maxPending,
    timeoutMs: publishTimeoutMs,
  })
  const label = labelOf(name)
  const subscriptions = createSubscriptions({
    millrace: name,
    driver,
    topics,
    catalog,
    definitions: catalog,
    middleware: options.middleware ?? [],
    runtime,
    leaseMs,
    alive,
    hints,
    label,
    onError,
  })
  let starting: Promise<void> | undefined
  let closing: Promise<void> | undefined

  function start(): Promise<void> {
    if (closing !== undefined) return Promise.reject(new MillraceError('closed', `Millrace "${name}" is closed.`))
    starting ??= open().catch((error: unknown) => {
      starting = undefined
      throw error
    })
    return starting
  }

  async function open(): Promise<void> {
    await transport.connect()
    const wanted = options.durability?.atLeast
    const actual = transport.capabilities.durability
    if (wanted !== undefined && !isAtLeast(actual, wanted)) {
      throw new MillraceError(
        'durability_too_low',
        `The engine ${engine.name} keeps events at the level "${actual}", the configuration demands "${wanted}". Change the engine's settings, or demand less.`,
        { facts: { actual, wanted } },
      )
    }
  }

  async function close(timeoutMs: number): Promise<void> {
    waiting.close()
    await subscriptions.stop(timeoutMs)
    await Promise.race([publisher.idle(), wait(runtime, timeoutMs)])
    publisher.close()
    watchdog.stop()
    await Promise.race([starting?.catch(() => {}), wait(runtime, timeoutMs)])
    await transport.close()
  }

  function publish(first: AnyEventDefinition | EventMessage, data?: unknown, createOptions?: object): Promise<never> {
    try {
      if (!isDefinition(first)) return publishing.publish(first) as Promise<never>
      catalog.add(first)
      return publishing.publish(publishing.create(first, data, createOptions), { checked: true }) as Promise<never>
    } catch (error) {
      return Promise.reject(error)
    }
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
    create(definition, data, createOptions) {
      catalog.add(definition)
      return publishing.create(definition, data, createOptions) as never
    },
    publish,
    publishBatch: (events, { signal } = {}) => publishing.publishBatch(events, signal),
    subscribe: (events: unknown, handler: unknown, subscribeOptions: never) =>
      start().then(() => subscriptions.subscribe(listOf(events), handler as Handler, subscribeOptions)),
    ...createAsking({ publishing, waiting, topics, catalog, runtime, start }),
    ...createOperating({ driver, definitions: catalog, runtime, hint: hints.hint, start }),
    close: ({ timeoutMs = 10_000 } = {}) => (closing ??= close(timeoutMs)),
    [Symbol.asyncDispose]: () => millrace.close(),
  }
  return millrace
}

function isDefinition(value: AnyEventDefinition | EventMessage): value is AnyEventDefinition {
  return typeof value === 'object' && value !== null && 'create' in value && typeof value.create === 'function'
}

function listOf(events: unknown): string | readonly AnyEventDefinition[] {
  if (typeof events === 'string') return events
  return (Array.isArray(events) ? events : [events]) as readonly AnyEventDefinition[]
}

function labelOf(name: string): string {
  const pid = typeof process === 'undefined' ? undefined : process.pid
  return pid === undefined ? name : `${name} (pid ${pid})`
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
