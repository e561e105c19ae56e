import assert from 'node:assert/strict'
import type { Consumer, PartitionProgress } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { patienceMs, within } from '../eventually.ts'
import { GROUP, ids, positionOf, prepare, TOPIC, withoutEmpty } from '../group-work.ts'
import type { Property } from '../property.ts'
import { publishAll, record, type StoredPlace } from '../records.ts'
import { assertRising, consumeLeases, fetchCount, settledUpTo, takeOver, type Lease } from '../worker.ts'

/** What fetching must do. */
export const fetchProperties: readonly Property[] = [
  { id: '14 a fetch that marks stores how far it went', run: marking },
  { id: '14 a fetch that marks changes nothing under an old token', needs: ['fencing'], run: fencedMarking },
  { id: '20 a partition is fetched in the order of its positions', run: inOrder },
  { id: '26 a fetch gives at most what was asked for', run: atMost },
  { id: '26 a fetch leaves paused partitions alone', run: pausing },
  { id: '26 a backlog in one partition does not starve the others', run: fairness },
  { id: '29 a waiting fetch wakes on publish, signal and close', run: waking },
]

async function inOrder({ open, random }: Context): Promise<void> {
  const driver = await open()
  const places = await prepare(driver, 4, 400)
  const consumer = consumeLeases(driver, GROUP, TOPIC, await takeOver(driver, GROUP, TOPIC, 'm'))
  const fetched = []
  while (fetched.length < 400) fetched.push(...(await consumer.fetch({ max: random.integer(1, 60) })))
  assertRising(fetched)
  for (const partition of [0, 1, 2, 3]) {
    const own = (each: { partition: number }): boolean => each.partition === partition
    assert.deepEqual(
      fetched.filter(own).map(({ id }) => id),
      places.filter(own).map(({ id }) => id),
    )
  }
}

async function atMost({ open, random }: Context): Promise<void> {
  const driver = await open()
  await prepare(driver, 5, 100)
  const consumer = consumeLeases(driver, GROUP, TOPIC, await takeOver(driver, GROUP, TOPIC, 'm'))
  let count = 0
  while (count < 100) {
    const max = random.pick([1, 2, 3, 7, 13])
    const { length } = await consumer.fetch({ max })
    assert.ok(length >= 1 && length <= max, `${length} events for a fetch of at most ${max}`)
    count += length
  }
}

async function pausing({ open }: Context): Promise<void> {
  const driver = await open()
  const places = await prepare(driver, 3, 30)
  const consumer = consumeLeases(driver, GROUP, TOPIC, await takeOver(driver, GROUP, TOPIC, 'm'))
  const paused = new Set([0, 2])
  const some = []
  while (some.length < 10) some.push(...(await consumer.fetch({ max: 4, paused })))
  assert.deepEqual(ids(some), ids(places.filter(({ partition }) => partition === 1)), 'only what is not paused')
  const waiting = consumer.fetch({ max: 4, paused, signal: AbortSignal.timeout(patienceMs()) })
  await publishAll(driver, [
    record({ topic: TOPIC, partition: 0 }),
    record({ topic: TOPIC, partition: 1, id: 'woken' }),
  ])
  assert.deepEqual(ids(await waiting), ['woken'])
  const rest = await fetchCount(consumer, 21, 100)
  assert.deepEqual(new Set(rest.map(({ partition }) => partition)), paused, 'paused events come when they may')
}

async function fairness({ open }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic(TOPIC, { partitions: 4 })
  await driver.transport.ensureGroup(GROUP, [TOPIC], 'earliest')
  await publishAll(
    driver,
    Array.from({ length: 900 }, () => record({ topic: TOPIC, partition: 1 })),
  )
  await publishAll(
    driver,
    [0, 2, 3].map((partition) => record({ topic: TOPIC, partition })),
  )
  const consumer = consumeLeases(driver, GROUP, TOPIC, await takeOver(driver, GROUP, TOPIC, 'm'))
  const early = []
  for (let fetches = 0; fetches < 4; fetches += 1) early.push(...(await consumer.fetch({ max: 20 })))
  assert.deepEqual(new Set(early.map(({ partition }) => partition)), new Set([0, 1, 2, 3]))
}

async function waking({ open }: Context): Promise<void> {
  const driver = await open()
  await prepare(driver, 2, 0)
  const leases = await takeOver(driver, GROUP, TOPIC, 'm')
  const consumer = consumeLeases(driver, GROUP, TOPIC, leases)
  for (let round = 0; round < 20; round += 1) {
    const fetching = consumer.fetch({ max: 10 })
    const [place] = await publishAll(driver, [record({ topic: TOPIC, partition: round % 2 })])
    assert.deepEqual(ids(await within('a publish wakes the fetch', fetching)), [place?.id])
  }
  const stop = new AbortController()
  const aborted = consumer.fetch({ max: 10, signal: stop.signal })
  stop.abort()
  assert.deepEqual(await within('the signal ends the fetch', aborted), [])
  assert.deepEqual(await consumer.fetch({ max: 10, signal: AbortSignal.abort() }), [], 'a signal that has fired')
  const closed = consumer.fetch({ max: 10 })
  await consumer.close()
  await consumer.close()
  assert.deepEqual(await within('closing the consumer ends the fetch', closed), [])
  const next = consumeLeases(driver, GROUP, TOPIC, leases)
  await fetchCount(next, 20)
  const blocked = next.fetch({ max: 10 })
  await within('closing while a fetch is blocked', driver.transport.close())
  assert.deepEqual(await within('closing the engine ends the fetch', blocked), [])
}

async function marking({ open }: Context): Promise<void> {
  const driver = await open()
  const places = await prepare(driver, 2, 0)
  const leases = await takeOver(driver, GROUP, TOPIC, 'first')
  const consumer = consumeLeases(driver, GROUP, TOPIC, leases)
  const told = new Map<number, string>()
  for (let round = 0; round < 10; round += 1) {
    const fetching = consumer.fetch({ max: 10, mark: true })
    // Something else that is read meanwhile, so that the fetch has a good chance to be waiting by now.
    await driver.transport.list()
    places.push(...(await publishAll(driver, [record({ topic: TOPIC, partition: round % 2 })])))
    const records = await within('a publish wakes the fetch', fetching)
    assert.deepEqual(ids(records), ids(places.slice(-1)))
    for (const { partition } of records) {
      const position = consumer.marked?.(partition)
      if (position !== undefined) told.set(partition, position)
    }
  }
  const held = await settleOne(consumer, leases, places)
  for (const lease of await takeOver(driver, GROUP, TOPIC, 'second')) {
    const stored = lease.progress.fetchedHigh ?? ''
    const mark = told.get(lease.partition) ?? ''
    assert.ok(stored >= mark, `partition ${lease.partition} is marked up to ${mark}, as told, also after a settle`)
    if (lease.partition === held.partition) assert.equal(lease.progress.settled, held.settled)
  }
  await driver.transport.seek(GROUP, TOPIC, 'earliest')
  for (const { progress, partition } of await takeOver(driver, GROUP, TOPIC, 'third')) {
    assert.equal(progress.fetchedHigh, undefined, `after a seek nothing of partition ${partition} is marked`)
  }
}

/** A settle that knows less than what is marked by now. */
async function settleOne(
  consumer: Consumer,
  leases: readonly Lease[],
  places: readonly StoredPlace[],
): Promise<PartitionProgress> {
  const lease = leases[0]
  assert.ok(lease)
  const first = positionOf(
    places.filter(({ partition }) => partition === lease.partition),
    0,
  )
  const progress = settledUpTo(lease, first, 1)
  assert.deepEqual((await consumer.settle([progress])).fenced, [])
  return progress
}

async function fencedMarking({ open }: Context): Promise<void> {
  const driver = await open()
  await prepare(driver, 1, 0)
  const old = consumeLeases(driver, GROUP, TOPIC, await takeOver(driver, GROUP, TOPIC, 'first'))
  const fetching = old.fetch({ max: 10, mark: true, signal: AbortSignal.timeout(patienceMs()) })
  await driver.transport.list()
  const [lease] = await takeOver(driver, GROUP, TOPIC, 'second')
  await publishAll(driver, [record({ topic: TOPIC, partition: 0 })])
  for (const { partition } of await within('the fetch ends', fetching)) {
    assert.equal(old.marked?.(partition), undefined, 'an old token marks nothing')
  }
  const [next] = await takeOver(driver, GROUP, TOPIC, 'third')
  assert.deepEqual(withoutEmpty(next?.progress), withoutEmpty(lease?.progress))
}
