import assert from 'node:assert/strict'
import type { Driver, Retention } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import { expectError } from '../expect-error.ts'
import type { Property } from '../property.ts'
import { publishAll, readAll, record, type StoredPlace } from '../records.ts'
import { consumeLeases, drain, settledUpTo, takeOver } from '../worker.ts'

/** What retention must do, and never may. */
export const retentionProperties: readonly Property[] = [
  { id: '06 what a group has not read is kept', run: unreadIsKept },
  { id: '06 a topic full of unread events refuses more, until they are read', run: full },
  { id: '06 what every group has read is dropped beyond the limit', run: readIsDropped },
  { id: '06 unread events expire only where that was asked for, counted', run: expiring },
  { id: '06 old events go by age, unread ones stay', run: byAge },
  { id: '06 a group that starts after a drop sees what is held', run: startAfterDrop },
]

async function topic(driver: Driver, retention: Retention, groups: readonly string[]): Promise<void> {
  await driver.transport.ensureTopic('box', { partitions: 1, retention })
  for (const group of groups) await driver.transport.ensureGroup(group, ['box'], 'earliest')
}

function some(count: number): ReturnType<typeof record>[] {
  return Array.from({ length: count }, () => record({ topic: 'box' }))
}

async function settleAll(driver: Driver, group: string, places: readonly StoredPlace[]): Promise<void> {
  const [lease] = await takeOver(driver, group, 'box', `of-${group}`)
  assert.ok(lease)
  const consumer = consumeLeases(driver, group, 'box', [lease])
  const position = places.at(-1)?.position ?? ''
  assert.deepEqual((await consumer.settle([settledUpTo(lease, position, places.length)])).fenced, [])
  await consumer.close()
}

async function held(driver: Driver): Promise<number> {
  return (await driver.transport.list()).topics[0]?.held ?? -1
}

/** A second topic that nobody reads shows that retention has run over events of the same age. */
async function unreadIsKept({ open }: Context): Promise<void> {
  const driver = await open()
  await topic(driver, { maxAgeMs: 1 }, ['fast', 'slow'])
  const places = await publishAll(driver, some(30))
  await settleAll(driver, 'fast', places)
  // The limit comes after what it is for: a new limit is looked at soon, while an age alone may be looked at seldom.
  await driver.transport.ensureTopic('swept', { partitions: 1 })
  await publishAll(driver, [record({ topic: 'swept' })])
  await driver.transport.ensureTopic('swept', { retention: { maxAgeMs: 1 } })
  await eventually('retention has run', async () => {
    await publishAll(driver, some(1))
    const swept = (await driver.transport.list()).topics.find((each) => each.topic === 'swept')
    return swept?.held === 0
  })
  const consumer = consumeLeases(driver, 'slow', 'box', await takeOver(driver, 'slow', 'box', 's'))
  const fetched = await drain(driver, consumer, 'box', [0])
  assert.deepEqual(
    fetched.slice(0, 30).map(({ id }) => id),
    places.map(({ id }) => id),
  )
}

async function full({ open }: Context): Promise<void> {
  const driver = await open()
  await topic(driver, { maxEvents: 10 }, ['reader'])
  const places = await publishAll(driver, some(10))
  const [refused] = await driver.transport.publish(some(1))
  assert.ok(refused?.outcome === 'rejected')
  await expectError('topic_full', () => Promise.reject(refused.error))
  assert.equal((await readAll(driver, 'box')).length, 10)
  await settleAll(driver, 'reader', places.slice(0, 4))
  await eventually('there is room again', async () => {
    const [outcome] = await driver.transport.publish(some(1))
    return outcome?.outcome === 'stored'
  })
  const left = (await readAll(driver, 'box')).map(({ id }) => id)
  for (const { id } of places.slice(4)) assert.ok(left.includes(id), 'what is unread is still there')
}

async function readIsDropped({ open }: Context): Promise<void> {
  const driver = await open()
  await topic(driver, { maxEvents: 20 }, ['one', 'two'])
  const places = await publishAll(driver, some(20))
  for (const group of ['one', 'two']) await settleAll(driver, group, places)
  await eventually('more can be stored, the oldest go', async () => {
    const outcomes = await driver.transport.publish(some(5))
    return outcomes.every(({ outcome }) => outcome === 'stored')
  })
  await eventually('no more than the limit is held', async () => (await held(driver)) <= 20)
  const ids = (await readAll(driver, 'box')).map(({ id }) => id)
  assert.ok(!ids.includes(places[0]?.id ?? ''), 'the oldest is gone')
  const info = (await driver.transport.list()).topics[0]
  assert.equal(info?.expiredUnread, 0, 'nothing unread was lost')
  assert.deepEqual(await driver.stores.index.byId(places[0]?.id ?? ''), [])
}

async function expiring({ open }: Context): Promise<void> {
  const driver = await open()
  await topic(driver, { maxEvents: 10, whenUnread: 'expire' }, ['reader'])
  const places = await publishAll(driver, some(10))
  await settleAll(driver, 'reader', places.slice(0, 3))
  const more = await publishAll(driver, some(6))
  await eventually('the oldest are dropped', async () => (await held(driver)) <= 10)
  const left = await readAll(driver, 'box')
  const kept = [...places, ...more].slice(-left.length)
  assert.deepEqual(
    left.map(({ id }) => id),
    kept.map(({ id }) => id),
    'the newest stay, without a gap',
  )
  const info = (await driver.transport.list()).topics[0]
  assert.equal(info?.expiredUnread, 16 - left.length - 3, 'what was dropped unread is counted')
  const [lag] = await driver.transport.lag('box', 'reader')
  assert.equal(lag?.lag, left.length, 'what is gone is no lag')
  const consumer = consumeLeases(driver, 'reader', 'box', await takeOver(driver, 'reader', 'box', 'r'))
  assert.equal((await consumer.fetch({ max: 1 }))[0]?.id, left[0]?.id)
}

async function byAge({ open }: Context): Promise<void> {
  const driver = await open()
  await topic(driver, {}, ['reader'])
  // Apart from each other: what was published together may go together.
  const places = [...(await publishAll(driver, some(2))), ...(await publishAll(driver, some(4)))]
  await settleAll(driver, 'reader', places.slice(0, 2))
  await driver.transport.ensureTopic('box', { retention: { maxAgeMs: 1 } })
  await eventually('what is old and read goes', async () => {
    await publishAll(driver, some(1))
    return (await readAll(driver, 'box'))[0]?.id === places[2]?.id
  })
  const ids = (await readAll(driver, 'box')).map(({ id }) => id)
  assert.deepEqual(
    ids.slice(0, 4),
    places.slice(2).map(({ id }) => id),
    'what is unread stays however old',
  )
}

async function startAfterDrop({ open }: Context): Promise<void> {
  const driver = await open()
  await topic(driver, { maxEvents: 5 }, [])
  await publishAll(driver, some(5))
  await publishAll(driver, some(5))
  await eventually('the oldest are dropped', async () => (await held(driver)) <= 5)
  await driver.transport.ensureTopic('box', { retention: {} })
  const left = await readAll(driver, 'box')
  await driver.transport.ensureGroup('late', ['box'], 'earliest')
  assert.equal((await driver.transport.lag('box', 'late'))[0]?.lag, left.length)
  const consumer = consumeLeases(driver, 'late', 'box', await takeOver(driver, 'late', 'box', 'l'))
  const fetched = await drain(driver, consumer, 'box', [0])
  assert.deepEqual(
    fetched.map(({ id }) => id),
    left.map(({ id }) => id),
  )
}
