import { createCatalog, type Definitions } from '../contract/catalog.ts'
import type { AnyEventDefinition } from '../contract/event-definition.ts'
import { assertTopicName } from '../contract/event-name.ts'
import type { EventMessage, StoredEvent } from '../contract/event.ts'
import { resolveLimits } from '../contract/limits.ts'
import { createDeadLetters } from '../bus/dead-letters.ts'
import { readEvent } from '../bus/execution.ts'
import { follow } from '../bus/following.ts'
import type { Handler } from '../bus/handler.ts'
import { groupStatus, topicStatus } from '../bus/inspection.ts'
import { createLaneHints } from '../bus/lane-hints.ts'
import { createLoopWatchdog } from '../bus/loop-watchdog.ts'
import { observeDriver } from '../bus/observed-driver.ts'
import { createPublisher } from '../bus/publisher.ts'
import { createPublishing } from '../bus/publishing.ts'
import { readPage } from '../bus/reading.ts'
import { replay } from '../bus/replay.ts'
import { createSubscriptions } from '../bus/subscriptions.ts'
import { createTopicRegistry } from '../bus/topic-registry.ts'
import { createWaiting } from '../bus/waiting.ts'
import { isAtLeast } from '../driver/capabilities.ts'
import { encodeCursor } from '../driver/cursor.ts'
import type { StoredRecord } from '../driver/record.ts'
import { wait } from '../runtime/abort.ts'
import { MillraceError } from '../runtime/error.ts'
import { systemRuntime } from '../runtime/system-runtime.ts'
import type { Millrace, MillraceOptions } from './millrace.ts'

const MOST_OF_A_FLOW = 1_000

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
  const deadLetters = createDeadLetters({ store: stores.deadLetters, runtime, definitions: catalog, hint: hints.hint })
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
    await starting?.catch(() => {})
    await transport.close()
  }

  /** Opens the engine before a call that needs it. */
  async function opened<Result>(call: () => Promise<Result>): Promise<Result> {
    await start()
    return call()
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
      opened(() => subscriptions.subscribe(listOf(events), handler as Handler, subscribeOptions)),
    async request(request, data, { reply, timeout, signal, ...createOptions }) {
      catalog.add(request)
      catalog.add(reply)
      await start()
      await topics.ensure(reply.topic)
      const event = publishing.create(request, data, createOptions)
      const { correlationId } = event.metadata
      const after = encodeCursor({ time: runtime.now(), topics: {} })
      const ended = new AbortController()
      const waits = {
        topic: reply.topic,
        type: reply.type,
        correlationId,
        after,
        signal: signal ?? ended.signal,
        ...(timeout === undefined ? {} : { timeout }),
      }
      const answer = waiting.waitFor(waits)
      answer.catch(() => {})
      await publishing.publish(event, { signal, checked: true })
      return (await answer) as never
    },
    async waitFor(definition, { correlationId, timeout, after, signal }) {
      catalog.add(definition)
      await start()
      await topics.ensure(definition.topic)
      const extra = {
        ...(timeout === undefined ? {} : { timeout }),
        ...(after === undefined ? {} : { after }),
        ...(signal === undefined ? {} : { signal }),
      }
      return (await waiting.waitFor({
        topic: definition.topic,
        type: definition.type,
        correlationId,
        ...extra,
      })) as never
    },
    read: (readOptions) => opened(() => readPage({ transport, definitions: catalog }, readOptions)),
    async *follow(followOptions = {}) {
      await start()
      yield* follow({ transport, definitions: catalog, runtime }, followOptions)
    },
    find: (id, source) => opened(async () => readable(await stores.index.byId(id, source), catalog)),
    trace: (correlationId) =>
      opened(async () => readable(await stores.index.byCorrelation(correlationId, MOST_OF_A_FLOW), catalog)),
    topics: () => opened(() => topicStatus(driver)),
    groups: () => opened(() => groupStatus(driver, runtime)),
    deadLetters: {
      list: (filter) => opened(() => deadLetters.list(filter)),
      counts: (filter) => opened(() => deadLetters.counts(filter)),
      get: (id) => opened(() => deadLetters.get(id)),
      requeue: (what, requeueOptions) => opened(() => deadLetters.requeue(what, requeueOptions)),
      edit: (id, data, editOptions) => opened(() => deadLetters.edit(id, data, editOptions)),
      discard: (what, discardOptions) => opened(() => deadLetters.discard(what, discardOptions)),
    },
    replay: (replayOptions) => opened(() => replay({ transport, stores, runtime, hint: hints.hint }, replayOptions)),
    diagnose: (diagnoseOptions) => opened(() => driver.diagnose(diagnoseOptions)),
    close: ({ timeoutMs = 10_000 } = {}) => (closing ??= close(timeoutMs)),
    [Symbol.asyncDispose]: () => millrace.close(),
  }
  return millrace
}

function readable(records: readonly StoredRecord[], definitions: Definitions): readonly StoredEvent[] {
  return records.map((record) => readEvent(record, definitions))
}

function isDefinition(value: AnyEventDefinition | EventMessage): value is AnyEventDefinition {
  return 'create' in value && typeof value.create === 'function'
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
