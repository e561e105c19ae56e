import type { Capabilities } from '../driver/capabilities.ts'
import type { Driver, Engine, Finding } from '../driver/driver.ts'
import type { ReadQuery, Transport } from '../driver/transport.ts'
import type { StoredRecord } from '../driver/record.ts'
import { abortedError } from '../runtime/abort.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createConsumer } from './consumer.ts'
import { createMemoryEngine, type Instant, type MemoryEngine } from './engine.ts'
import { ensureGroup, lag, listGroups, removeGroup, removeTopicFromGroups, seek } from './groups.ts'
import { createHeartbeats } from './heartbeat.ts'
import { read } from './reading.ts'
import { retain } from './retention.ts'
import { createDeadLetterStore, createLaneStore, createLeaseStore, createLogIndex } from './stores.ts'
import { createTaskStores } from './tasks/task-stores.ts'
import { ensureTopic, infoOf, MAX_EVENT_BYTES, publish, removeTopic, topicOf } from './topics.ts'
import { waitForAppend } from './wake.ts'

const CAPABILITIES: Capabilities = {
  engine: 'memory',
  engineVersion: '1',
  durability: 'memory',
  order: { level: 'native' },
  assignment: { level: 'emulated' },
  fencing: { level: 'native' },
  dedupe: { level: 'native', bounds: { scope: 'engine', windowMs: 0, maxIds: 0 } },
  read: { level: 'native' },
  lag: { level: 'native' },
  processes: { level: 'none' },
  size: { level: 'native', bounds: { maxBytes: MAX_EVENT_BYTES } },
}

/** Options of `memory`. */
export interface MemoryOptions {
  /** Bytes that the engine may hold before publishes are refused with `engine_full`. Default 512 MiB. */
  readonly maxBytes?: number
  /** An engine that several backbones of one process share. Default: one of its own. */
  readonly engine?: MemoryEngine
}

/**
 * An engine in the memory of this process: every promise of the ports, for as long as the process lives. All that is
 * opened from one `memory()` works on the same events.
 *
 * @example
 * const millrace = createMillrace({ engine: memory() })
 */
export function memory(options: MemoryOptions = {}): Engine {
  const engine =
    options.engine ?? createMemoryEngine(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes })
  return { name: 'memory:', open: (runtime) => openMemory(engine, runtime) }
}

function openMemory(engine: MemoryEngine, runtime: Runtime): Driver {
  let state: 'new' | 'open' | 'closed' = 'new'
  const closing = new AbortController()
  const heartbeats = createHeartbeats(engine, runtime)
  const instant = (): Instant => ({ now: runtime.now(), monotonic: runtime.monotonic() })

  function guard(): MemoryEngine {
    if (state === 'open') return engine
    throw new MillraceError('closed', `The memory engine is ${state === 'new' ? 'not connected yet' : 'closed'}.`)
  }

  const transport: Transport = {
    get capabilities() {
      guard()
      return CAPABILITIES
    },
    async connect() {
      if (state === 'closed') throw new MillraceError('closed', 'The memory engine is closed. Open it again.')
      state = 'open'
    },
    async close() {
      state = 'closed'
      heartbeats.stopAll()
      closing.abort()
    },
    ...createOperations(guard, runtime),
    consume: (consumed) => createConsumer(guard(), { runtime, signal: closing.signal }, consumed),
    read: (query) => readOrWait(guard, query, runtime, closing.signal),
  }
  return {
    transport,
    stores: {
      leases: createLeaseStore(guard, heartbeats),
      lane: createLaneStore(guard, instant),
      deadLetters: createDeadLetterStore(guard, instant),
      index: createLogIndex(guard),
      ...createTaskStores(guard, instant, { runtime, closing: closing.signal }),
    },
    diagnose: async () => diagnose(guard()),
  }
}

type Operations = Pick<Transport, 'ensureTopic' | 'ensureGroup' | 'list' | 'publish' | 'lag' | 'seek' | 'remove'>

function createOperations(guard: () => MemoryEngine, runtime: Runtime): Operations {
  return {
    ensureTopic: async (topic, options = {}) => ensureTopic(guard(), topic, options, runtime.now()),
    async ensureGroup(group, topics, from) {
      ensureGroup(guard(), group, topics, from)
    },
    async list() {
      const engine = guard()
      const topics = [...engine.topics.values()].toSorted((a, b) => (a.topic < b.topic ? -1 : 1))
      for (const topic of topics) retain(engine, topic, runtime.now())
      return { topics: topics.map(infoOf), groups: listGroups(engine) }
    },
    async publish(records, { signal } = {}) {
      const engine = guard()
      if (signal?.aborted) {
        const error = abortedError(signal)
        return records.map(() => ({ outcome: 'rejected', error }))
      }
      return publish(engine, records, runtime.now())
    },
    async lag(topic, group) {
      retain(guard(), topicOf(guard(), topic), runtime.now())
      return lag(guard(), topic, group)
    },
    async seek(group, topic, to) {
      seek(guard(), group, topic, to)
    },
    async remove(what) {
      if ('group' in what) return removeGroup(guard(), what.group)
      removeTopic(guard(), what.topic)
      removeTopicFromGroups(guard(), what.topic)
    },
  }
}

async function readOrWait(
  guard: () => MemoryEngine,
  query: ReadQuery,
  runtime: Runtime,
  closing: AbortSignal,
): Promise<readonly StoredRecord[]> {
  const engine = guard()
  const signal = query.signal === undefined ? closing : AbortSignal.any([query.signal, closing])
  const until = runtime.monotonic() + (query.waitMs ?? 0)
  for (;;) {
    retain(engine, topicOf(engine, query.topic), runtime.now())
    const found = read(engine, query)
    const timeoutMs = until - runtime.monotonic()
    if (found.length > 0 || timeoutMs <= 0 || signal.aborted) return found
    await waitForAppend(engine, query.topic, { runtime, timeoutMs, signal })
  }
}

function diagnose(engine: MemoryEngine): Finding[] {
  const share = Math.round((engine.bytes / engine.maxBytes) * 100)
  return [
    {
      check: 'durability',
      level: 'notice',
      text: 'Events live in the memory of this process and are gone when it ends. Use a file or a server to keep them.',
    },
    {
      check: 'memory',
      level: share >= 90 ? 'problem' : 'fine',
      text: `${engine.bytes} of ${engine.maxBytes} bytes are held (${share} %).${share >= 90 ? ' Set a retention or raise maxBytes.' : ''}`,
    },
  ]
}
