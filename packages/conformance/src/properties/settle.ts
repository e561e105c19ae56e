import assert from 'node:assert/strict'
import type { Driver, PartitionProgress, Progress } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { patienceMs, within } from '../eventually.ts'
import type { Property } from '../property.ts'
import { publishAll, record, type StoredPlace } from '../records.ts'
import {
  assertRising,
  consumeLeases,
  drain,
  fetchCount,
  joinGroup,
  NO_PROGRESS,
  settledUpTo,
  takeOver,
  type Lease,
} from '../worker.ts'

/** What fetching and settling must do. */
export const settleProperties: readonly Property[] = [
  { id: '09 what was not settled comes again', run: notSettled },
  { id: '09 what was not settled comes again after a crash', needs: ['restart'], run: notSettledAfterCrash },
  { id: '10 what was settled never comes again', run: settledStays },
  { id: '10 what was settled never comes again after a crash', needs: ['restart'], run: settledAfterCrash },
  { id: '11 progress is stored for all of a partition or nothing', needs: ['fencing'], run: allOrNothing },
  { id: '14 attempts, ranges and marks survive a takeover', run: progressSurvives },
  { id: '14 attempts, ranges and marks survive a crash', needs: ['restart'], run: progressSurvivesCrash },
  { id: '15 the engine redelivers nothing by itself', run: noRedelivery },
  { id: '20 a partition is fetched in the order of its positions', run: inOrder },
  { id: '26 a fetch gives at most what was asked for', run: atMost },
  { id: '26 a fetch leaves paused partitions alone', run: pausing },
  { id: '26 a backlog in one partition does not starve the others', run: fairness },
  { id: '29 a waiting fetch wakes on publish, signal and close', run: waking },
]

const GROUP = 'hands'
const TOPIC = 'work'

async function prepare(driver: Driver, partitions: number, events: number): Promise<StoredPlace[]> {
  await driver.transport.ensureTopic(TOPIC, { partitions })
  await driver.transport.ensureGroup(GROUP, [TOPIC], 'earliest')
  return publishAll(
    driver,
    Array.from({ length: events }, (_, at) => record({ topic: TOPIC, partition: at % partitions })),
  )
}

async function notSettled({ open }: Context): Promise<void> {
  const driver = await open()
  const places = await prepare(driver, 1, 10)
  await joinGroup(driver, GROUP, 'first')
  const [lease] = await takeOver(driver, GROUP, TOPIC, 'first')
  assert.ok(lease)
  const consumer = consumeLeases(driver, GROUP, TOPIC, [lease])
  await fetchCount(consumer, 10)
  await consumer.settle([settledUpTo(lease, positionOf(places, 3), 4)])
  await consumer.close()
  const again = consumeLeases(driver, GROUP, TOPIC, await takeOver(driver, GROUP, TOPIC, 'second'))
  assert.deepEqual(ids(await drain(driver, again, TOPIC, [0])), ids(places.slice(4)))
}

async function notSettledAfterCrash({ open, restart, random }: Context): Promise<void> {
  let driver = await open()
  const places = await prepare(driver, 1, 60)
  let settled = 0
  while (settled < places.length) {
    const [lease] = await takeOver(driver, GROUP, TOPIC, `m${settled}`)
    assert.ok(lease)
    const consumer = consumeLeases(driver, GROUP, TOPIC, [lease])
    const fetched = await fetchCount(consumer, places.length - settled)
    assert.deepEqual(ids(fetched), ids(places.slice(settled)), 'the first event after a crash is the first not settled')
    const handled = random.integer(1, fetched.length)
    await consumer.settle([settledUpTo(lease, positionOf(places, settled + handled - 1), handled)])
    settled += handled
    driver = await restart()
  }
}

async function settledStays({ open }: Context): Promise<void> {
  const driver = await open()
  const places = await prepare(driver, 2, 20)
  for (let round = 0; round < 4; round += 1) {
    const leases = await takeOver(driver, GROUP, TOPIC, `m${round}`)
    const consumer = consumeLeases(driver, GROUP, TOPIC, leases)
    const settled = leases.flatMap(({ progress }) => progress.settled ?? [])
    assert.equal(settled.length, round === 0 ? 0 : 2)
    const rest = places.filter((place) => place.position > (leases[place.partition]?.progress.settled ?? ''))
    assert.deepEqual(ids(await fetchCount(consumer, rest.length)), ids(rest))
    const progress = leases.map((lease) => {
      const own = places.filter(({ partition }) => partition === lease.partition)
      return settledUpTo(lease, positionOf(own, round * 2 + 1), 2)
    })
    assert.deepEqual((await consumer.settle(progress)).fenced, [])
    await consumer.close()
  }
}

async function settledAfterCrash({ open, restart }: Context): Promise<void> {
  const driver = await open()
  const places = await prepare(driver, 2, 20)
  const leases = await takeOver(driver, GROUP, TOPIC, 'm')
  const consumer = consumeLeases(driver, GROUP, TOPIC, leases)
  await fetchCount(consumer, 20)
  await consumer.settle(leases.map((lease) => settledUpTo(lease, positionOf(places, 18 + lease.partition), 10)))
  const again = await restart()
  const next = consumeLeases(again, GROUP, TOPIC, await takeOver(again, GROUP, TOPIC, 'n'))
  assert.deepEqual(ids(await drain(again, next, TOPIC, [0, 1])), [])
}

async function allOrNothing({ open }: Context): Promise<void> {
  const driver = await open()
  const places = await prepare(driver, 3, 30)
  await joinGroup(driver, GROUP, 'old')
  const leases = await takeOver(driver, GROUP, TOPIC, 'old')
  const lost = leases[1]
  assert.ok(lost)
  const claimed = await driver.stores.leases.claim({
    group: GROUP,
    topic: TOPIC,
    partition: 1,
    member: 'new',
    expectedOwner: 'old',
    expectedToken: lost.token,
  })
  assert.ok(claimed)
  const consumer = consumeLeases(driver, GROUP, TOPIC, leases)
  const progress = leases.map((lease): PartitionProgress => {
    const settled = positionOf(places, 15 + lease.partition)
    return { ...fullProgress(places, lease), settled, newlySettled: 6 }
  })
  assert.deepEqual((await consumer.settle(progress)).fenced, [1])
  const after = await takeOver(driver, GROUP, TOPIC, 'third')
  assert.deepEqual(withoutEmpty(after[1]?.progress), NO_PROGRESS, 'nothing is stored of what was refused')
  for (const partition of [0, 2]) assert.equal(after[partition]?.progress.settled, progress[partition]?.settled)
}

async function progressSurvives({ open }: Context): Promise<void> {
  const driver = await open()
  const places = await prepare(driver, 1, 30)
  const [lease] = await takeOver(driver, GROUP, TOPIC, 'old')
  assert.ok(lease)
  const consumer = consumeLeases(driver, GROUP, TOPIC, [lease])
  const wanted = fullProgress(places, lease)
  assert.deepEqual((await consumer.settle([wanted])).fenced, [])
  const [next] = await takeOver(driver, GROUP, TOPIC, 'new')
  assert.deepEqual(withoutEmpty(next?.progress), plain(wanted))
  assert.ok(next)
  const { starting: _, ...calm } = wanted
  await consumeLeases(driver, GROUP, TOPIC, [next]).settle([{ ...calm, token: next.token, newlySettled: 0 }])
  const [last] = await takeOver(driver, GROUP, TOPIC, 'third')
  assert.deepEqual(withoutEmpty(last?.progress), plain(calm), 'a mark that is left out is gone')
}

async function progressSurvivesCrash({ open, restart }: Context): Promise<void> {
  const driver = await open()
  const places = await prepare(driver, 1, 30)
  const [lease] = await takeOver(driver, GROUP, TOPIC, 'old')
  assert.ok(lease)
  const wanted = fullProgress(places, lease)
  await consumeLeases(driver, GROUP, TOPIC, [lease]).settle([wanted])
  const again = await restart()
  const [next] = await takeOver(again, GROUP, TOPIC, 'new')
  assert.deepEqual(withoutEmpty(next?.progress), plain(wanted))
  assert.equal(next?.clean, false)
}

async function noRedelivery({ open }: Context): Promise<void> {
  const driver = await open()
  const places = await prepare(driver, 2, 50)
  const leases = await takeOver(driver, GROUP, TOPIC, 'm')
  const consumer = consumeLeases(driver, GROUP, TOPIC, leases)
  const fetched = await fetchCount(consumer, 50, 3)
  assert.equal(new Set(ids(fetched)).size, 50)
  for (let round = 0; round < 5; round += 1) {
    await consumer.settle(leases.map((lease) => ({ ...NO_PROGRESS, ...lease, newlySettled: 0 })))
    assert.deepEqual(ids(await drain(driver, consumer, TOPIC, [0, 1])), [], 'what was fetched does not come again')
  }
  assert.equal(places.length, 50)
}

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

/** Progress that uses every field. */
function fullProgress(places: readonly StoredPlace[], lease: Lease): PartitionProgress {
  const own = places.filter(({ partition }) => partition === lease.partition)
  const at = (index: number): string => positionOf(own, index)
  return {
    partition: lease.partition,
    token: lease.token,
    settled: at(1),
    ahead: [
      [at(3), at(4)],
      [at(6), at(6)],
    ],
    aheadCount: 3,
    fetchedHigh: at(8),
    attempts: [
      { position: at(2), attempts: 3, firstFailedAt: 1_700_000_000_123 },
      { position: at(5), attempts: 1, firstFailedAt: 1_700_000_000_456 },
    ],
    starting: { position: at(2), deaths: 2 },
    newlySettled: 5,
  }
}

function plain({
  partition: _partition,
  token: _token,
  newlySettled: _count,
  ...progress
}: PartitionProgress): Progress {
  return progress
}

/** Absent and undefined marks are the same. */
function withoutEmpty(progress: Progress | undefined): Progress | undefined {
  if (progress === undefined || progress.starting !== undefined) return progress
  const { starting: _, ...rest } = progress
  return rest
}

function positionOf(places: readonly StoredPlace[], index: number): string {
  return places[index]?.position ?? ''
}

function ids(records: readonly { readonly id: string; readonly partition: number }[]): string[] {
  return records.toSorted((a, b) => a.partition - b.partition).map(({ id }) => id)
}
