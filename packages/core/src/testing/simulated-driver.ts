import type { Capabilities } from '../driver/capabilities.ts'
import type { Driver, Stores } from '../driver/driver.ts'
import type { HeartbeatOptions, LeaseStore, MemberInfo } from '../driver/lease-store.ts'
import type { PublishOutcome, PublishRecord, StoredRecord } from '../driver/record.ts'
import type { ReadQuery, Transport } from '../driver/transport.ts'
import { beat, join, leave } from '../memory/leases.ts'
import { abortedError } from '../runtime/abort.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { NetworkFaults } from './network-faults.ts'
import type { Random } from './random.ts'
import { createSimulatedConsumer } from './simulated-consumer.ts'
import type { Remote, SimulatedLink } from './simulated-link.ts'
import { simulatedTaskStores } from './simulated-task-stores.ts'

/** What a simulated driver talks through. */
export interface SimulatedDriverOptions {
  readonly link: SimulatedLink
  readonly runtime: Runtime
  readonly random: Random
  readonly faults: () => NetworkFaults
  /** Records that came back as stored before although this driver asked again: resends stored once. */
  readonly onDuplicate: () => void
}

const CAPABILITIES: Capabilities = {
  engine: 'simulated',
  engineVersion: '1',
  durability: 'fsync',
  order: { level: 'native' },
  assignment: { level: 'emulated' },
  fencing: { level: 'native' },
  dedupe: { level: 'native', bounds: { scope: 'engine', windowMs: 0, maxIds: 0 } },
  read: { level: 'native' },
  lag: { level: 'native' },
  processes: { level: 'native' },
  size: { level: 'native', bounds: { maxBytes: 512 * 1024 * 1024 } },
}

/** A driver whose engine is at the other end of a simulated network. */
export function openSimulatedDriver(options: SimulatedDriverOptions): Driver {
  const { link, runtime } = options
  let state: 'new' | 'open' | 'closed' = 'new'
  const beats = createBeats(link, runtime)
  const closing = new AbortController()

  const remote: Remote = (isChange, run, traits) => {
    if (state === 'open') return link.call({ isChange, run: ({ driver }) => run(driver) }, traits)
    return Promise.reject(notOpen(state))
  }
  const transport: Transport = {
    get capabilities() {
      if (state !== 'open') throw notOpen(state)
      return CAPABILITIES
    },
    async connect() {
      if (state === 'closed') throw new MillraceError('closed', 'The simulated engine is closed. Open it again.')
      state = 'open'
    },
    async close() {
      state = 'closed'
      beats.stopAll()
      closing.abort()
    },
    ensureTopic: (topic, settings) => remote(true, (driver) => driver.transport.ensureTopic(topic, settings)),
    ensureGroup: (group, topics, from) => remote(true, (driver) => driver.transport.ensureGroup(group, topics, from)),
    list: () => remote(false, (driver) => driver.transport.list()),
    publish: (records, { signal } = {}) => publish(options, remote, records, signal),
    consume: (consumed) => createSimulatedConsumer(link, closing.signal, consumed),
    read: (query) => read(link, remote, closing.signal, query),
    lag: (topic, group) => remote(false, (driver) => driver.transport.lag(topic, group)),
    seek: (group, topic, to) => remote(true, (driver) => driver.transport.seek(group, topic, to)),
    remove: (what) => remote(true, (driver) => driver.transport.remove(what)),
  }
  return {
    transport,
    stores: {
      leases: leasesOf(remote, link, beats),
      ...storesOf(remote),
      ...simulatedTaskStores(remote, link.isRefusal),
    },
    diagnose: () => remote(false, (driver) => driver.diagnose()),
  }
}

/** A reading that waits at the server hears of the caller's signal, and the caller does not wait for the server to hear. */
function read(
  link: SimulatedLink,
  remote: Remote,
  closing: AbortSignal,
  { signal, ...query }: ReadQuery,
): Promise<readonly StoredRecord[]> {
  if (query.waitMs === undefined) return remote(false, (driver) => driver.transport.read(query))
  const stop = signal === undefined ? closing : AbortSignal.any([signal, closing])
  if (stop.aborted) return Promise.resolve([])
  const atServer = new AbortController()
  return new Promise((resolve, reject) => {
    const onStop = (): void => {
      link.tell(() => atServer.abort())
      resolve([])
    }
    stop.addEventListener('abort', onStop, { once: true })
    remote(false, (driver) => driver.transport.read({ ...query, signal: atServer.signal }))
      .then(resolve, reject)
      .finally(() => stop.removeEventListener('abort', onStop))
  })
}

async function publish(
  { link, random, faults, onDuplicate }: SimulatedDriverOptions,
  remote: Remote,
  records: readonly PublishRecord[],
  signal: AbortSignal | undefined,
): Promise<readonly PublishOutcome[]> {
  if (signal?.aborted) return records.map(() => ({ outcome: 'rejected', error: abortedError(signal) }))
  const rates = faults()
  const stored = random.chance(rates.torn) ? random.between(0, records.length - 1) : records.length
  const refused = new Set(records.filter(() => rates.reject > 0 && random.chance(rates.reject)))
  const sent = records.slice(0, stored).filter((record) => !refused.has(record))
  const broken: PublishOutcome = { outcome: 'unknown', error: new Error('The simulated engine failed within a batch.') }
  const refusal: PublishOutcome = {
    outcome: 'rejected',
    error: new MillraceError('engine_full', 'The simulated engine refuses this record.'),
  }
  try {
    const outcomes = await remote(true, (driver) => driver.transport.publish(sent), {
      mayBeLate: true,
      mayRepeat: true,
      inOrder: true,
    })
    for (const { outcome } of outcomes) if (outcome === 'duplicate') onDuplicate()
    if (stored < records.length) return records.map(() => broken)
    let next = 0
    return records.map((record) => (refused.has(record) ? refusal : (outcomes[next++] ?? broken)))
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'closed') throw error
    const cause = error instanceof Error ? error : new Error(String(error))
    return records.map(() => ({ outcome: link.isRefusal(error) ? 'rejected' : 'unknown', error: cause }))
  }
}

function storesOf(remote: Remote): Pick<Stores, 'lane' | 'deadLetters' | 'index'> {
  const repeats = { mayRepeat: true }
  return {
    lane: {
      add: (entries, options) => remote(true, ({ stores }) => stores.lane.add(entries, options), repeats),
      due: (query) => remote(false, ({ stores }) => stores.lane.due(query)),
      settle: (changes) => remote(true, ({ stores }) => stores.lane.settle(changes), repeats),
      keys: (query) => remote(false, ({ stores }) => stores.lane.keys(query)),
      unpark: (key) => remote(true, ({ stores }) => stores.lane.unpark(key), repeats),
      next: (group) => remote(false, ({ stores }) => stores.lane.next(group)),
      counts: (group) => remote(false, ({ stores }) => stores.lane.counts(group)),
    },
    deadLetters: {
      put: (letters, token, options) =>
        remote(true, ({ stores }) => stores.deadLetters.put(letters, token, options), repeats),
      list: (query) => remote(false, ({ stores }) => stores.deadLetters.list(query)),
      get: (id) => remote(false, ({ stores }) => stores.deadLetters.get(id)),
      among: (place, positions) => remote(false, ({ stores }) => stores.deadLetters.among(place, positions)),
      counts: (query) => remote(false, ({ stores }) => stores.deadLetters.counts(query)),
      requeue: (ids, options) => remote(true, ({ stores }) => stores.deadLetters.requeue(ids, options)),
      discard: (ids) => remote(true, ({ stores }) => stores.deadLetters.discard(ids)),
    },
    index: {
      byId: (id, source) => remote(false, ({ stores }) => stores.index.byId(id, source)),
      byCorrelation: (id, limit) => remote(false, ({ stores }) => stores.index.byCorrelation(id, limit)),
    },
  }
}

function leasesOf(remote: Remote, link: SimulatedLink, beats: Beats): LeaseStore {
  const late = { mayBeLate: true }
  return {
    async join(member, options) {
      await link.call({ isChange: true, run: async ({ engine }) => join(engine, member) }, late)
      beats.start(member, options)
    },
    leave(member) {
      beats.stop(member)
      return remote(true, ({ stores }) => stores.leases.leave(member))
    },
    expel(member, count) {
      // Heartbeats are not in the log of the server, so a recovery must not compare counts again.
      let isDead: boolean | undefined
      const run: Parameters<SimulatedLink['call']>[0]['run'] = async ({ engine }) => {
        isDead ??= [...engine.groups.values()].some(({ members }) => members.get(member)?.count === count)
        if (isDead) leave(engine, member)
      }
      return link.call({ isChange: true, run }) as Promise<void>
    },
    observe: (group) => remote(false, ({ stores }) => stores.leases.observe(group)),
    claim: (claim) => remote(true, ({ stores }) => stores.leases.claim(claim), late),
    giveBack: (lease) => remote(true, ({ stores }) => stores.leases.giveBack(lease), late),
    putFilter: (group, filter) => remote(true, ({ stores }) => stores.leases.putFilter(group, filter)),
  }
}

interface Beats {
  start(member: MemberInfo, options: HeartbeatOptions): void
  stop(member: string): void
  stopAll(): void
}

/** Sends a sign of life for each member; silent while the main thread's stamp stands still. */
function createBeats(link: SimulatedLink, runtime: Runtime): Beats {
  const timers = new Map<string, Timer>()
  const stop = (member: string): void => {
    timers.get(member)?.cancel()
    timers.delete(member)
  }
  return {
    start(info, { everyMs, aliveWithinMs, alive }) {
      stop(info.member)
      let stamp = Atomics.load(alive, 0)
      let movedAt = runtime.monotonic()
      const tick = (): void => {
        const current = Atomics.load(alive, 0)
        if (current !== stamp) movedAt = runtime.monotonic()
        stamp = current
        if (runtime.monotonic() - movedAt <= aliveWithinMs) link.tell(({ engine }) => beat(engine, info))
        timers.set(info.member, runtime.setTimer(tick, everyMs))
      }
      timers.set(info.member, runtime.setTimer(tick, everyMs))
    },
    stop,
    stopAll() {
      for (const member of timers.keys()) stop(member)
    },
  }
}

function notOpen(state: 'new' | 'closed'): MillraceError {
  return new MillraceError('closed', `The simulated engine is ${state === 'new' ? 'not connected yet' : 'closed'}.`)
}
