import { expect, test } from 'vitest'
import type { Driver, PublishRecord } from '../../src/driver.ts'
import { createMemoryEngine, memory } from '../../src/memory.ts'
import { systemRuntime } from '../../src/runtime/system-runtime.ts'

const BODY = JSON.stringify({ text: 'x'.repeat(2_000) })
let made = 0

test('a full engine refuses publishes and says so, until retention makes room', async () => {
  const driver = await open(memory({ maxBytes: 50_000 }))
  await driver.transport.ensureTopic('t', { partitions: 1 })
  const outcomes = await driver.transport.publish(records(40))
  const stored = outcomes.filter(({ outcome }) => outcome === 'stored').length
  expect(stored).toBeGreaterThan(15)
  expect(stored * BODY.length).toBeLessThan(50_000)
  expect(outcomes.at(-1)).toMatchObject({ outcome: 'rejected', error: { code: 'engine_full', retriable: true } })
  await driver.transport.ensureTopic('t', { retention: { maxEvents: 5 } })
  expect(await driver.transport.publish(records(3))).toMatchObject(
    Array.from({ length: 3 }, () => ({ outcome: 'stored' })),
  )
  expect((await driver.diagnose()).find(({ check }) => check === 'memory')?.level).toBe('fine')
})

test('removing topics and groups gives their bytes back', async () => {
  const engine = createMemoryEngine()
  const driver = await open(memory({ engine }))
  await driver.transport.ensureTopic('t', { partitions: 1 })
  await driver.transport.ensureGroup('g', ['t'], 'earliest')
  await driver.transport.publish(records(10))
  const [record] = await driver.transport.read({ topic: 't', limit: 1 })
  if (record === undefined) throw new Error('The event is not there.')
  const entry = { group: 'g', laneKey: 'k', record, delayMs: 0, attempts: 0, firstFailedAt: undefined } as const
  await driver.stores.lane.add([{ ...entry, reason: 'replay', generation: 1 }], { capacity: 10 })
  const [lease] = (await driver.stores.leases.observe('g')).partitions
  const letter = {
    group: 'g',
    topic: 't',
    partition: 0,
    position: record.position,
    record,
    laneKey: 'k',
    generation: 0,
  }
  const error = { code: 'handler_failed', message: '', stack: undefined, fingerprint: 'f' }
  const times = { attempts: 1, firstFailedAt: 1, lastFailedAt: 1 }
  await driver.stores.deadLetters.put([{ ...letter, ...error, ...times }], lease?.token ?? -1)
  expect(engine.bytes).toBeGreaterThan(12 * BODY.length)
  await driver.transport.remove({ group: 'g' })
  expect(engine.bytes).toBeLessThan(11 * (BODY.length + 1_000))
  await driver.transport.remove({ topic: 't' })
  expect(engine.bytes).toBe(0)
})

test('drivers of one engine share its events, drivers of two do not', async () => {
  const engine = createMemoryEngine()
  const one = await open(memory({ engine }))
  const two = await open(memory({ engine }))
  const stranger = await open(memory())
  await one.transport.ensureTopic('t', { partitions: 1 })
  const reading = two.transport.read({ topic: 't', limit: 1, waitMs: 60_000 })
  await one.transport.publish(records(1))
  expect(await reading).toHaveLength(1)
  await one.transport.close()
  expect(await two.transport.read({ topic: 't', limit: 10 })).toHaveLength(1)
  expect((await stranger.transport.list()).topics).toEqual([])
})

async function open(engine: ReturnType<typeof memory>): Promise<Driver> {
  const driver = engine.open(systemRuntime())
  await driver.transport.connect()
  return driver
}

function records(count: number): PublishRecord[] {
  return Array.from({ length: count }, () => ({
    topic: 't',
    partition: 0,
    id: `id-${(made += 1)}`,
    source: '/test',
    type: 'test.happened',
    key: undefined,
    correlationId: undefined,
    body: BODY,
  }))
}
