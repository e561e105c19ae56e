import type { Driver, Retention, TopicInfo } from '@millrace/core/driver'
import { expect, test } from 'vitest'
import { sqlite } from '../src/index.ts'
import { type ManualRuntime, manualRuntime } from './manual-runtime.ts'
import { atEnd, record, records, scratchFile } from './scratch.ts'

async function inline(retention: Retention): Promise<{ driver: Driver; runtime: ManualRuntime }> {
  const runtime = manualRuntime()
  const driver = sqlite({ path: scratchFile(), threads: false, retentionEveryMs: 10 }).open(runtime)
  atEnd(() => driver.transport.close())
  await driver.transport.connect()
  await driver.transport.ensureTopic('order', { partitions: 4, retention })
  return { driver, runtime }
}

async function topicOf(driver: Driver): Promise<TopicInfo> {
  const topic = (await driver.transport.list()).topics[0]
  if (topic === undefined) throw new Error('The topic is missing.')
  return topic
}

async function heldIds(driver: Driver): Promise<string[]> {
  return (await driver.transport.read({ topic: 'order', limit: 10_000 })).map(({ id }) => id)
}

async function settle(driver: Driver, upTo: readonly number[]): Promise<void> {
  const { partitions } = await driver.stores.leases.observe('g')
  const consumer = driver.transport.consume({ topic: 'order', group: 'g', partitions: [] })
  const { fenced } = await consumer.settle(
    upTo.map((seq, partition) => ({
      partition,
      token: partitions[partition]?.token ?? -1,
      settled: seq === 0 ? undefined : String(seq).padStart(16, '0'),
      ahead: [],
      aheadCount: 0,
      fetchedHigh: undefined,
      attempts: [],
      newlySettled: 0,
    })),
  )
  expect(fenced).toEqual([])
  await consumer.close()
}

test('the oldest go first, over all partitions, and the sums stay right', async () => {
  const { driver, runtime } = await inline({ maxEvents: 10 })
  for (let n = 0; n < 25; n++) {
    runtime.advance(1)
    await driver.transport.publish([record(n, { partition: n < 12 ? 0 : n % 4 })])
  }
  await expect.poll(async () => (await topicOf(driver)).held).toBe(10)
  expect(await heldIds(driver)).toEqual(Array.from({ length: 10 }, (_, index) => `event-${15 + index}`))
  const held = await driver.transport.read({ topic: 'order', limit: 100 })
  expect(await topicOf(driver)).toMatchObject({
    published: 25,
    expiredUnread: 0,
    bytes: held.reduce((sum, { body }) => sum + body.length, 0),
  })
})

test('by age and by bytes', async () => {
  const { driver, runtime } = await inline({ maxAgeMs: 1_000 })
  await driver.transport.publish(records(1, 2_500))
  runtime.advance(900)
  await driver.transport.publish(records(3_001, 3_004))
  runtime.advance(200)
  await expect.poll(async () => (await topicOf(driver)).held).toBe(4)

  const pad = 'x'.repeat(90)
  await driver.transport.ensureTopic('order', { retention: { maxBytes: 1_000 } })
  for (let n = 0; n < 20; n++) {
    runtime.advance(1)
    await driver.transport.publish([record(n + 5_000, { body: JSON.stringify({ pad }) })])
  }
  await expect.poll(async () => (await topicOf(driver)).bytes).toBeLessThanOrEqual(1_000)
  expect((await heldIds(driver)).at(-1)).toBe('event-5019')
})

test('keep: what a group has not read stays, and at the cap publishes are refused until it has', async () => {
  const { driver } = await inline({ maxEvents: 8 })
  await driver.transport.ensureGroup('g', ['order'], 'earliest')
  const outcomes = await driver.transport.publish(records(0, 11))
  expect(outcomes.map(({ outcome }) => outcome)).toEqual([...Array(8).fill('stored'), ...Array(4).fill('rejected')])
  expect(outcomes[8]).toMatchObject({ error: { code: 'topic_full', retriable: true } })
  // A resend of what is stored is known, full or not.
  expect(await driver.transport.publish([record(3)])).toMatchObject([{ outcome: 'duplicate', body: record(3).body }])

  await settle(driver, [1, 1, 0, 0])
  expect((await driver.transport.publish(records(8, 10))).map(({ outcome }) => outcome)).toEqual([
    'stored',
    'stored',
    'rejected',
  ])
  await expect.poll(async () => (await topicOf(driver)).held).toBe(8)
  expect(await heldIds(driver)).not.toContain('event-0')
  expect((await topicOf(driver)).expiredUnread).toBe(0)
  expect((await driver.transport.lag('order', 'g')).reduce((sum, { lag }) => sum + lag, 0)).toBe(8)
})

test('expire: unread events go and are counted, and the group goes on after the hole', async () => {
  const { driver, runtime } = await inline({ maxEvents: 4, whenUnread: 'expire' })
  await driver.transport.ensureGroup('g', ['order'], 'earliest')
  for (let n = 0; n < 12; n++) {
    runtime.advance(1)
    expect(await driver.transport.publish([record(n)])).toMatchObject([{ outcome: 'stored' }])
  }
  await expect.poll(() => topicOf(driver)).toMatchObject({ held: 4, expiredUnread: 8 })
  const lag = await driver.transport.lag('order', 'g')
  expect(lag.map((each) => each.lag)).toEqual([1, 1, 1, 1])
  const consumer = driver.transport.consume({
    topic: 'order',
    group: 'g',
    partitions: [0, 1, 2, 3].map((partition) => ({ partition, token: 0, after: undefined })),
  })
  expect((await consumer.fetch({ max: 10 })).map(({ id }) => id).toSorted()).toEqual([
    'event-10',
    'event-11',
    'event-8',
    'event-9',
  ])
  await consumer.close()
})

test('positions go on after everything was dropped, and a head is never given twice', async () => {
  const { driver, runtime } = await inline({ maxAgeMs: 10 })
  await driver.transport.publish([record(0)])
  runtime.advance(20)
  await expect.poll(async () => (await topicOf(driver)).held).toBe(0)
  expect(await driver.transport.publish([record(4)])).toMatchObject([{ position: '0000000000000002' }])
})

test('a removed topic is gone at once, its events later, and its ids can be used again', async () => {
  const { driver } = await inline({})
  await driver.transport.publish(records(0, 49))
  await driver.transport.remove({ topic: 'order' })
  await expect(driver.transport.read({ topic: 'order', limit: 1 })).rejects.toMatchObject({ code: 'topic_unknown' })
  expect(await driver.stores.index.byId('event-1')).toEqual([])
  await driver.transport.ensureTopic('order', { partitions: 4 })
  expect((await driver.transport.publish(records(0, 49))).every(({ outcome }) => outcome === 'stored')).toBe(true)
  expect(await heldIds(driver)).toHaveLength(50)
})

test('a wall clock that goes back never makes recorded time go back', async () => {
  const { driver, runtime } = await inline({})
  await driver.transport.publish([record(0)])
  runtime.advance(-5_000)
  await driver.transport.publish([record(4)])
  const times = (await driver.transport.read({ topic: 'order', limit: 10 })).map(({ recordedAt }) => recordedAt)
  expect(times).toEqual([1_000_000, 1_000_000])
})
