import { describe, expect, test } from 'vitest'
import { createRelay, type Relay } from '../../src/bus/relay.ts'
import { createTopicRegistry } from '../../src/bus/topic-registry.ts'
import { type Driver, MillraceError, type OutboxStore, type Transport } from '../../src/driver.ts'
import { memory } from '../../src/memory.ts'
import { createRandom, testRuntime, type Random, type TestRuntime } from '../../src/testing.ts'
import { outboxInMemory, type OutboxInMemory } from './outbox-in-memory.ts'

const LEASE_MS = 8_000

interface Scene {
  readonly runtime: TestRuntime
  readonly outbox: OutboxInMemory
  readonly driver: Driver
  commit(key: string | undefined, number: number): void
  start(owner: string, parts?: { readonly store?: OutboxStore; readonly transport?: Transport }): Relay
  /** What is stored, by key, in the order of the positions. */
  stored(): Promise<Map<string | undefined, number[]>>
  readonly errors: unknown[]
}

async function scene(seed = 1): Promise<Scene> {
  const runtime = testRuntime(seed)
  const outbox = outboxInMemory(runtime.monotonic)
  const driver = memory().open(runtime)
  await driver.transport.connect()
  const errors: unknown[] = []
  return {
    runtime,
    outbox,
    driver,
    errors,
    commit(key, number) {
      const id = `${key ?? 'alone'}-${number}`
      const body = JSON.stringify({ specversion: '1.0', id, source: '/s', type: 'step.taken', data: number })
      outbox.commit({ topic: 'step', id, source: '/s', type: 'step.taken', key, correlationId: undefined, body })
    },
    start(owner, { store = outbox, transport = driver.transport } = {}) {
      const topics = createTopicRegistry(transport, { step: { partitions: 3 } })
      const target = { transport, topics, ready: async () => {} }
      const onError = (error: unknown): void => void errors.push(error)
      return createRelay({ millrace: 'test', owner, store, target, runtime, leaseMs: LEASE_MS, onError })
    },
    async stored() {
      const numbers = new Map<string | undefined, number[]>()
      const { topics } = await driver.transport.list()
      if (topics.length === 0) return numbers
      for (const { key, body } of await driver.transport.read({ topic: 'step', limit: 10_000 })) {
        const { data } = JSON.parse(body) as { data: number }
        numbers.set(key, [...(numbers.get(key) ?? []), data])
      }
      return numbers
    },
  }
}

describe('the relay', () => {
  test('looks soon after a nudge, and seldom when nothing comes', async () => {
    const { runtime, outbox, start, commit } = await scene()
    let looks = 0
    const take: OutboxStore['take'] = (limit) => {
      looks += 1
      return outbox.take(limit)
    }
    const relay = start('a', { store: { ...outbox, take } })
    await runtime.advance(60_000)
    expect(looks).toBeLessThan(70)
    commit('k', 1)
    relay.nudge()
    await runtime.advance(5)
    expect(outbox.waiting).toBe(0)
    const stopped = relay.stop()
    await runtime.advance(1_000)
    await stopped
  })

  test('is taken over when it falls silent for a whole lease, and not while it counts up', async () => {
    const { runtime, outbox, start, commit } = await scene()
    let isSilent = false
    const silent =
      <Input extends unknown[], Output>(call: (...input: Input) => Promise<Output>) =>
      (...input: Input): Promise<Output> =>
        isSilent ? new Promise<Output>(() => {}) : call(...input)
    const mortal = { ...outbox, take: silent(outbox.take), renew: silent(outbox.renew) }
    start('a', { store: mortal })
    await runtime.advance(100)
    start('b')
    await runtime.advance(60_000)
    expect((await outbox.observe()).owner).toBe('a')
    isSilent = true
    commit('k', 1)
    await runtime.advance(LEASE_MS * 0.9)
    expect((await outbox.observe()).owner).toBe('a')
    await runtime.advance(LEASE_MS)
    expect((await outbox.observe()).owner).toBe('b')
    expect(outbox.waiting).toBe(0)
  })

  test('is taken over within seven fifths of a lease, whenever it falls silent', async () => {
    for (let offset = 0; offset < 20; offset += 1) {
      const { runtime, outbox, start, commit } = await scene()
      let isSilent = false
      const silent =
        <Input extends unknown[], Output>(call: (...input: Input) => Promise<Output>) =>
        (...input: Input): Promise<Output> =>
          isSilent ? new Promise<Output>(() => {}) : call(...input)
      start('a', { store: { ...outbox, take: silent(outbox.take), renew: silent(outbox.renew) } })
      await runtime.advance(100)
      start('b')
      await runtime.advance(LEASE_MS * (4 + offset / 20))
      isSilent = true
      commit('k', 1)
      await runtime.advance(LEASE_MS * 1.4 + 50)
      expect([(await outbox.observe()).owner, outbox.waiting]).toEqual(['b', 0])
    }
  })

  test('gives the lease up when it stops', async () => {
    const { runtime, outbox, start } = await scene()
    const relay = start('a')
    await runtime.advance(100)
    expect((await outbox.observe()).owner).toBe('a')
    const stopped = relay.stop()
    await runtime.advance(100)
    await stopped
    expect((await outbox.observe()).owner).toBeUndefined()
  })

  test('of a batch of which nothing goes through marks nothing, and says so once', async () => {
    const { runtime, outbox, start, commit, driver, errors, stored } = await scene()
    let isAway = true
    const publish: Transport['publish'] = async (records) => {
      if (!isAway) return driver.transport.publish(records)
      return records.map(() => ({ outcome: 'unknown', error: new Error('no route') }))
    }
    commit('k', 1)
    commit('l', 2)
    start('a', { transport: Object.create(driver.transport, { publish: { value: publish } }) as Transport })
    await runtime.advance(30_000)
    expect(await outbox.status()).toMatchObject({ waiting: 2, failing: 0 })
    expect(errors).toHaveLength(1)
    isAway = false
    await runtime.advance(6_000)
    expect(await stored()).toEqual(
      new Map([
        ['k', [1]],
        ['l', [2]],
      ]),
    )
  })
})

describe('whatever fails, every row is stored once, in order by key', () => {
  test.each(Array.from({ length: 60 }, (_, seed) => seed + 1))('seed %i', async (seed) => {
    const { runtime, outbox, start, commit, driver, stored } = await scene(seed)
    const random = createRandom(seed)
    let calm = false
    for (const owner of ['a', 'b', 'c'])
      start(owner, unreliable({ outbox, driver, random, runtime, isCalm: () => calm }))
    const committed = new Map<string, number[]>()
    for (let number = 1; number <= 80; number += 1) {
      const key = `k${random.between(0, 4)}`
      committed.set(key, [...(committed.get(key) ?? []), number])
      commit(key, number)
      if (random.chance(0.4)) await runtime.advance(random.between(1, 3_000))
    }
    calm = true
    await runtime.advanceUntil(() => outbox.waiting === 0, { withinMs: 600_000 })
    expect(await stored()).toEqual(committed)
  })
})

/** Parts of one process whose calls fail before or after they were done, and sometimes stand still for longer than a lease. */
function unreliable(world: {
  readonly outbox: OutboxInMemory
  readonly driver: Driver
  readonly random: Random
  readonly runtime: TestRuntime
  readonly isCalm: () => boolean
}): { readonly store: OutboxStore; readonly transport: Transport } {
  const { outbox, driver, random, runtime, isCalm } = world
  const away = (): MillraceError => new MillraceError('engine_unreachable', 'as planned', { retriable: true })
  const around =
    <Input extends unknown[], Output>(call: (...input: Input) => Promise<Output>) =>
    async (...input: Input): Promise<Output> => {
      if (isCalm()) return call(...input)
      if (random.chance(0.05)) await pause(random.between(1, 3 * LEASE_MS))
      if (random.chance(0.1)) throw away()
      const answer = await call(...input)
      if (random.chance(0.1)) throw away()
      return answer
    }
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void runtime.setTimer(resolve, ms))
  const store: OutboxStore = {
    ...outbox,
    observe: around(outbox.observe),
    claim: around(outbox.claim),
    renew: around(outbox.renew),
    take: around(outbox.take),
    settle: around(outbox.settle),
  }
  const publish = around((...input: Parameters<Transport['publish']>) => driver.transport.publish(...input))
  return { store, transport: Object.create(driver.transport, { publish: { value: publish } }) as Transport }
}
