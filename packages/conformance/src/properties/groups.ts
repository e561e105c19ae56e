import assert from 'node:assert/strict'
import type { StartAt } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import { expectError } from '../expect-error.ts'
import type { Property } from '../property.ts'
import { publishAll, readAll, record, type StoredPlace } from '../records.ts'
import { consumeLeases, drain, joinGroup, settledUpTo, takeOver } from '../worker.ts'

/** What topics and groups must do. */
export const groupProperties: readonly Property[] = [
  { id: '04 every group sees every event, at its own pace', run: fanOut },
  { id: '37 seek moves one group in one topic and fences its members', run: seek },
  { id: '38 a new group starts where it was told to', run: startsWhereTold },
  { id: '38 a group that exists goes on where it was', run: startsOnce },
  { id: '38 a group goes on where it was after a restart', needs: ['restart'], run: goesOnAfterRestart },
  { id: '44 making topics and groups is safe to repeat, also at once', run: ensureAtOnce },
  { id: '44 an existing topic keeps its partitions and takes new retention', run: ensureExisting },
  { id: '44 a group cannot start in an unknown topic', run: unknownTopic },
  { id: '44 removing a topic or a group leaves the others alone', run: remove },
]

async function fanOut({ open }: Context): Promise<void> {
  const driver = await open()
  const { transport } = driver
  await transport.ensureTopic('fan', { partitions: 2 })
  await transport.ensureGroup('quick', ['fan'], 'earliest')
  await transport.ensureGroup('slow', ['fan'], 'earliest')
  const places = await publishAll(
    driver,
    Array.from({ length: 40 }, (_, at) => record({ topic: 'fan', partition: at % 2 })),
  )
  const quick = await takeOver(driver, 'quick', 'fan', 'q')
  const consumer = consumeLeases(driver, 'quick', 'fan', quick)
  assert.deepEqual(idsOf(await drain(driver, consumer, 'fan', [0, 1])), idsOf(places))
  for (const lease of quick) {
    const [{ head } = { head: undefined }] = (await transport.lag('fan', 'quick')).filter(
      ({ partition }) => partition === lease.partition,
    )
    assert.ok(head)
    assert.deepEqual((await consumer.settle([settledUpTo(lease, head, 21)])).fenced, [])
  }
  assert.deepEqual(await lags(transport, 'quick'), [0, 0])
  assert.deepEqual(await lags(transport, 'slow'), [21, 21])
  const slow = consumeLeases(driver, 'slow', 'fan', await takeOver(driver, 'slow', 'fan', 's'))
  assert.deepEqual(idsOf(await drain(driver, slow, 'fan', [0, 1])), idsOf(places))
}

async function seek({ open }: Context): Promise<void> {
  const driver = await open()
  const { transport } = driver
  for (const topic of ['moved', 'kept']) await transport.ensureTopic(topic, { partitions: 1 })
  for (const group of ['mover', 'bystander']) await transport.ensureGroup(group, ['moved', 'kept'], 'earliest')
  const places = await publishAll(
    driver,
    Array.from({ length: 10 }, () => record({ topic: 'moved' })),
  )
  await publishAll(driver, [record({ topic: 'kept' })])
  const [lease] = await takeOver(driver, 'mover', 'moved', 'm')
  assert.ok(lease)
  const consumer = consumeLeases(driver, 'mover', 'moved', [lease])
  await consumer.settle([
    { ...settledUpTo(lease, at(places, 4), 7), ahead: [[at(places, 7), at(places, 8)]], aheadCount: 2 },
  ])
  const targets: [StartAt, number][] = [
    ['earliest', 10],
    ['latest', 0],
    [{ after: [{ partition: 0, position: at(places, 2) }] }, 7],
    [{ time: 0 }, 10],
    [{ time: Date.now() + 3_600_000 }, 0],
  ]
  for (const [to, left] of targets) {
    await transport.seek('mover', 'moved', to)
    const [moved] = await transport.lag('moved', 'mover')
    assert.equal(moved?.lag, left, `events left after seek to ${JSON.stringify(to)}`)
    assert.deepEqual((await consumer.settle([settledUpTo(lease, at(places, 9), 1)])).fenced, [0], 'fenced by the seek')
  }
  assert.deepEqual(
    (await transport.lag('moved', 'bystander')).map(({ lag }) => lag),
    [10],
  )
  assert.deepEqual(
    (await transport.lag('kept', 'mover')).map(({ lag }) => lag),
    [1],
  )
  await transport.seek('mover', 'moved', { after: [{ partition: 0, position: at(places, 5) }] })
  const again = consumeLeases(driver, 'mover', 'moved', await takeOver(driver, 'mover', 'moved', 'm'))
  assert.deepEqual(idsOf(await drain(driver, again, 'moved', [0])), idsOf(places.slice(6)))
  await expectError('group_unknown', () => transport.seek('nobody', 'moved', 'latest'))
  await expectError('topic_unknown', () => transport.seek('mover', 'nowhere', 'latest'))
}

async function startsWhereTold({ open }: Context): Promise<void> {
  const driver = await open()
  const { transport } = driver
  await transport.ensureTopic('start', { partitions: 2 })
  const publishOne = async (): Promise<StoredPlace> => {
    const [place] = await publishAll(driver, [record({ topic: 'start', partition: 1 })])
    assert.ok(place)
    return place
  }
  const first = await publishOne()
  const firstAt = (await readAll(driver, 'start'))[0]?.recordedAt ?? 0
  const second = await eventually('an event that is recorded later', async () => {
    const place = await publishOne()
    const stored = (await readAll(driver, 'start')).find(({ id }) => id === place.id)
    return stored !== undefined && stored.recordedAt > firstAt ? stored : undefined
  })
  const all = idsOf(await readAll(driver, 'start'))
  const from = (id: string): string[] => all.slice(all.indexOf(id))
  const cases: [string, StartAt, string[]][] = [
    ['g-earliest', 'earliest', all],
    ['g-latest', 'latest', []],
    ['g-time', { time: second.recordedAt }, from(second.id)],
    ['g-time-between', { time: firstAt + 1 }, from(second.id)],
    ['g-epoch', { time: 0 }, all],
    ['g-future', { time: Date.now() + 3_600_000 }, []],
    ['g-after', { after: [{ partition: 1, position: first.position }] }, all.slice(1)],
    ['g-after-others', { after: [] }, all],
  ]
  for (const [group, at] of cases) await transport.ensureGroup(group, ['start'], at)
  for (const [group, , expected] of cases) {
    const lag = (await transport.lag('start', group)).reduce((sum, each) => sum + each.lag, 0)
    assert.equal(lag, expected.length, `lag of ${group}`)
  }
  const later = await publishOne()
  for (const [group, , expected] of cases) {
    const consumer = consumeLeases(driver, group, 'start', await takeOver(driver, group, 'start', `m-${group}`))
    const fetched = await drain(driver, consumer, 'start', [0, 1])
    assert.deepEqual(idsOf(fetched), [...expected, later.id], `events of ${group}`)
    await consumer.close()
  }
}

async function startsOnce({ open }: Context): Promise<void> {
  const driver = await open()
  const { transport } = driver
  await transport.ensureTopic('one', { partitions: 1 })
  await transport.ensureTopic('two', { partitions: 1 })
  await transport.ensureGroup('stays', ['one'], 'earliest')
  const places = await publishAll(driver, [
    record({ topic: 'one' }),
    record({ topic: 'one' }),
    record({ topic: 'two' }),
  ])
  const [lease] = await takeOver(driver, 'stays', 'one', 'm')
  assert.ok(lease)
  const consumer = consumeLeases(driver, 'stays', 'one', [lease])
  await consumer.settle([settledUpTo(lease, at(places, 0), 1)])
  for (const from of ['latest', 'earliest'] as const) {
    await transport.ensureGroup('stays', ['one', 'two'], from)
    const [one] = await transport.lag('one', 'stays')
    assert.deepEqual([one?.settled, one?.lag], [at(places, 0), 1], 'where it has progress nothing changes')
    const [two] = await transport.lag('two', 'stays')
    assert.equal(two?.lag, 0, 'in the new topic it started at the latest, and stays there')
  }
  assert.deepEqual((await consumer.settle([settledUpTo(lease, at(places, 1), 1)])).fenced, [], 'the lease is untouched')
}

async function goesOnAfterRestart({ open, restart }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('go', { partitions: 1 })
  await driver.transport.ensureGroup('on', ['go'], 'earliest')
  const places = await publishAll(
    driver,
    Array.from({ length: 9 }, () => record({ topic: 'go' })),
  )
  const [lease] = await takeOver(driver, 'on', 'go', 'm')
  assert.ok(lease)
  await consumeLeases(driver, 'on', 'go', [lease]).settle([settledUpTo(lease, at(places, 3), 4)])
  const again = await restart()
  await again.transport.ensureGroup('on', ['go'], 'latest')
  const consumer = consumeLeases(again, 'on', 'go', await takeOver(again, 'on', 'go', 'm2'))
  assert.deepEqual(idsOf(await drain(again, consumer, 'go', [0])), idsOf(places.slice(4)))
}

async function ensureAtOnce({ open }: Context): Promise<void> {
  const driver = await open()
  const { transport } = driver
  const infos = await Promise.all(
    Array.from({ length: 10 }, (_, at) => transport.ensureTopic('same', { partitions: at + 1 })),
  )
  assert.equal(new Set(infos.map((info) => JSON.stringify(info))).size, 1, 'all are told the same')
  await Promise.all(Array.from({ length: 10 }, () => transport.ensureGroup('same', ['same'], 'earliest')))
  const { topics, groups } = await transport.list()
  assert.deepEqual(topics, [infos[0]])
  assert.deepEqual(groups, [{ group: 'same', topics: ['same'] }])
  assert.equal((await driver.stores.leases.observe('same')).partitions.length, infos[0]?.partitions)
}

async function ensureExisting({ open }: Context): Promise<void> {
  const driver = await open()
  const { transport } = driver
  await transport.ensureTopic('fixed', { partitions: 3, retention: { maxEvents: 1_000 } })
  await publishAll(driver, [record({ topic: 'fixed', partition: 2, body: '{"a":1}' })])
  const info = await transport.ensureTopic('fixed', { partitions: 5 })
  assert.deepEqual([info.partitions, info.retention.maxEvents], [3, 1_000])
  assert.deepEqual([info.published, info.held], [1, 1])
  assert.ok(info.bytes >= 7, 'the bytes of the bodies are counted')
  const replaced = await transport.ensureTopic('fixed', { retention: { maxAgeMs: 3_600_000 } })
  assert.deepEqual([replaced.retention.maxEvents, replaced.retention.maxAgeMs], [undefined, 3_600_000])
  assert.equal((await readAll(driver, 'fixed')).length, 1)
}

async function unknownTopic({ open }: Context): Promise<void> {
  const { transport } = await open()
  await transport.ensureTopic('known', { partitions: 1 })
  await expectError('topic_unknown', () => transport.ensureGroup('half', ['known', 'unknown'], 'latest'))
  await expectError('group_unknown', () => transport.lag('known', 'half'))
  await expectError('topic_unknown', () => transport.lag('unknown', 'half'))
  await expectError('topic_unknown', () => transport.read({ topic: 'unknown', limit: 1 }))
}

async function remove({ open }: Context): Promise<void> {
  const driver = await open()
  const { transport } = driver
  for (const topic of ['gone', 'left']) await transport.ensureTopic(topic, { partitions: 2 })
  for (const group of ['gone', 'left']) await transport.ensureGroup(group, ['gone', 'left'], 'earliest')
  const same = record({ topic: 'gone', partition: 1 })
  await publishAll(driver, [same, record({ topic: 'left' })])
  await joinGroup(driver, 'gone', 'm')
  const [lease] = await takeOver(driver, 'gone', 'left', 'm')
  assert.ok(lease)
  const consumer = consumeLeases(driver, 'gone', 'left', [lease])
  await transport.remove({ group: 'gone' })
  await expectError('group_unknown', () => transport.lag('left', 'gone'))
  assert.deepEqual((await transport.list()).groups, [{ group: 'left', topics: ['gone', 'left'] }])
  await transport.ensureGroup('gone', ['left'], 'earliest')
  await takeOver(driver, 'gone', 'left', 'n')
  const stale = await consumer.settle([settledUpTo(lease, '0000000000000001', 1)])
  assert.deepEqual(stale.fenced, [lease.partition], 'a token of the removed group is worth nothing in the new one')
  await transport.remove({ topic: 'gone' })
  await expectError('topic_unknown', () => transport.read({ topic: 'gone', limit: 1 }))
  assert.deepEqual(
    (await transport.list()).topics.map(({ topic }) => topic),
    ['left'],
  )
  assert.deepEqual(
    (await transport.lag('left', 'left')).map(({ lag }) => lag),
    [1, 0],
  )
  await transport.ensureTopic('gone', { partitions: 2 })
  assert.deepEqual(await readAll(driver, 'gone'), [])
  await publishAll(driver, [same])
  assert.equal((await readAll(driver, 'gone')).length, 1)
}

async function lags(
  transport: { lag(topic: string, group: string): Promise<readonly { readonly lag: number }[]> },
  group: string,
): Promise<number[]> {
  return (await transport.lag('fan', group)).map(({ lag }) => lag)
}

function idsOf(records: readonly { readonly id: string; readonly partition: number }[]): string[] {
  return records.toSorted((a, b) => a.partition - b.partition).map(({ id }) => id)
}

function at(places: readonly StoredPlace[], index: number): string {
  return places[index]?.position ?? ''
}
