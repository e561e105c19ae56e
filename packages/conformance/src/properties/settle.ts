import assert from 'node:assert/strict'
import type { PartitionProgress, Progress } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { GROUP, ids, positionOf, prepare, TOPIC, withoutEmpty } from '../group-work.ts'
import type { Property } from '../property.ts'
import type { StoredPlace } from '../records.ts'
import {
  consumeLeases,
  drain,
  fetchCount,
  joinGroup,
  NO_PROGRESS,
  settledUpTo,
  takeOver,
  type Lease,
} from '../worker.ts'

/** What settling must do. */
export const settleProperties: readonly Property[] = [
  { id: '09 what was not settled comes again', run: notSettled },
  { id: '09 what was not settled comes again after a crash', needs: ['restart'], run: notSettledAfterCrash },
  { id: '10 what was settled never comes again', run: settledStays },
  { id: '10 what was settled never comes again after a crash', needs: ['restart'], run: settledAfterCrash },
  { id: '11 progress is stored for all of a partition or nothing', needs: ['fencing'], run: allOrNothing },
  { id: '14 attempts, ranges and marks survive a takeover', run: progressSurvives },
  { id: '14 attempts, ranges and marks survive a crash', needs: ['restart'], run: progressSurvivesCrash },
  { id: '15 the engine redelivers nothing by itself', run: noRedelivery },
]

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
