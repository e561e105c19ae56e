import assert from 'node:assert/strict'
import type { Driver } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import type { Property } from '../property.ts'
import { publishAll, record } from '../records.ts'
import { consumeLeases, joinGroup, NO_PROGRESS, settledUpTo, takeOver, type Lease } from '../worker.ts'

/** What members and leases must do. */
export const leaseProperties: readonly Property[] = [
  { id: '05 a partition is won by one of many', run: oneWinner },
  { id: '11 tokens rise and are never given twice', run: tokensRise },
  { id: '11 a former owner cannot settle', needs: ['fencing'], run: formerOwner },
  { id: '22 a member is expelled only with the count observed', run: expel },
  { id: '22 leases outlive a crash until somebody takes them', needs: ['restart'], run: afterCrash },
  { id: '22 members of two processes see one another', needs: ['secondProcess'], run: twoProcesses },
  { id: '29 a partition given back tells whether it is clean', run: giveBack },
  { id: '29 a member that leaves frees its partitions', run: leaving },
]

const PLACE = { group: 'crew', topic: 'work' }

async function prepare(driver: Driver, partitions = 4): Promise<void> {
  await driver.transport.ensureTopic('work', { partitions })
  await driver.transport.ensureGroup('crew', ['work'], 'earliest')
}

async function oneWinner({ open }: Context): Promise<void> {
  const driver = await open()
  const { leases } = driver.stores
  await prepare(driver)
  const members = Array.from({ length: 10 }, (_, at) => `m${at}`)
  for (const member of members) await joinGroup(driver, 'crew', member)
  for (let round = 0; round < 3; round += 1) {
    const { partitions } = await leases.observe('crew')
    assert.equal(partitions.length, 4)
    for (const { partition, owner, token } of partitions) {
      const claims = await Promise.all(
        members.map((member) =>
          leases.claim({ ...PLACE, partition, member, expectedOwner: owner, expectedToken: token }),
        ),
      )
      const winners = members.filter((_, at) => claims[at] !== undefined)
      assert.equal(winners.length, 1, 'exactly one claim is won')
      const after = (await leases.observe('crew')).partitions.find((each) => each.partition === partition)
      assert.equal(after?.owner, winners[0])
      assert.equal(after?.token, claims.find((claim) => claim !== undefined)?.token)
    }
  }
}

async function tokensRise({ open }: Context): Promise<void> {
  const driver = await open()
  const { leases } = driver.stores
  await prepare(driver, 1)
  let last = -1
  const take = async (member: string): Promise<Lease> => {
    const [lease] = await takeOver(driver, 'crew', 'work', member)
    assert.ok(lease !== undefined && lease.token > last, `the token rises: ${lease?.token} after ${last}`)
    last = lease.token
    return lease
  }
  await joinGroup(driver, 'crew', 'a')
  await take('a')
  await joinGroup(driver, 'crew', 'b')
  const { token } = await take('b')
  await leases.giveBack({ ...PLACE, partition: 0, token, clean: true })
  await take('a')
  await leases.leave('a')
  await take('b')
  await driver.transport.seek('crew', 'work', 'latest')
  await take('b')
  const stale = await leases.claim({ ...PLACE, partition: 0, member: 'a', expectedOwner: 'b', expectedToken: last - 1 })
  assert.equal(stale, undefined, 'a claim with a stale token fails')
  const wrong = await leases.claim({ ...PLACE, partition: 0, member: 'a', expectedOwner: 'z', expectedToken: last })
  assert.equal(wrong, undefined, 'a claim with a wrong owner fails')
}

async function formerOwner({ open }: Context): Promise<void> {
  const driver = await open()
  await prepare(driver, 2)
  const places = await publishAll(
    driver,
    Array.from({ length: 10 }, (_, at) => record({ topic: 'work', partition: at % 2 })),
  )
  const [first, second] = places.slice(8)
  assert.ok(first && second)
  await joinGroup(driver, 'crew', 'old')
  const [zero, one] = await takeOver(driver, 'crew', 'work', 'old')
  assert.ok(zero && one)
  const consumer = consumeLeases(driver, 'crew', 'work', [zero, one])
  await joinGroup(driver, 'crew', 'new')
  const won = await driver.stores.leases.claim({
    ...PLACE,
    partition: 0,
    member: 'new',
    expectedOwner: 'old',
    expectedToken: zero.token,
  })
  assert.ok(won)
  const { fenced } = await consumer.settle([settledUpTo(zero, first.position, 5), settledUpTo(one, second.position, 5)])
  assert.deepEqual(fenced, [0], 'the partition that moved is refused, the other is not')
  const lag = await driver.transport.lag('work', 'crew')
  assert.deepEqual(
    lag.map((each) => each.lag),
    [5, 0],
    'nothing of the refused progress is stored',
  )
  const lane = await driver.stores.lane.settle({ ...PLACE, partition: 0, token: zero.token, done: [], postponed: [] })
  assert.equal(lane, 'fenced', 'the side lane refuses the former owner too')
}

async function expel({ open }: Context): Promise<void> {
  const driver = await open()
  const { leases } = driver.stores
  await prepare(driver)
  await joinGroup(driver, 'crew', 'dead')
  const taken = await takeOver(driver, 'crew', 'work', 'dead')
  await leases.expel('dead', 1_000_000)
  assert.equal((await leases.observe('crew')).members.length, 1, 'another count: it lives')
  const view = await eventually('the member is expelled with its own count', async () => {
    const count = (await leases.observe('crew')).members[0]?.count
    if (count !== undefined) await leases.expel('dead', count)
    const now = await leases.observe('crew')
    return now.members.length === 0 ? now : undefined
  })
  assert.ok(view.partitions.every(({ owner }) => owner === undefined))
  await eventually('its beating has gone on for a while', beats(driver))
  assert.deepEqual(
    (await leases.observe('crew')).members.map(({ member }) => member),
    ['clock'],
    'beating does not bring it back',
  )
  const [lease] = await takeOver(driver, 'crew', 'work', 'clock')
  assert.equal(lease?.clean, false, 'what a dead member had is not clean')
  const late = await consumeLeases(driver, 'crew', 'work', taken).settle([
    { ...NO_PROGRESS, ...(taken[0] as Lease), newlySettled: 0 },
  ])
  assert.deepEqual(late.fenced, [0])
  await joinGroup(driver, 'crew', 'dead')
  assert.equal((await leases.observe('crew')).members.length, 2, 'it can join anew')
}

/** True when another member, which joins now, has counted up three times. */
function beats(driver: Driver): () => Promise<boolean> {
  const joined = joinGroup(driver, 'crew', 'clock')
  return async () => {
    await joined
    const { members } = await driver.stores.leases.observe('crew')
    return (members.find(({ member }) => member === 'clock')?.count ?? 0) >= 3
  }
}

async function afterCrash({ open, restart }: Context): Promise<void> {
  const driver = await open()
  await prepare(driver)
  await joinGroup(driver, 'crew', 'crashed')
  const held = await takeOver(driver, 'crew', 'work', 'crashed')
  const again = await restart()
  const view = await again.stores.leases.observe('crew')
  assert.deepEqual(
    view.partitions.map(({ owner, token }) => [owner, token]),
    held.map(({ token }) => ['crashed', token]),
  )
  const count = view.members.find(({ member }) => member === 'crashed')?.count
  assert.ok(count !== undefined, 'the crashed member is still listed')
  await again.stores.leases.expel('crashed', count)
  const taken = await takeOver(again, 'crew', 'work', 'heir')
  assert.ok(taken.every(({ clean }) => !clean))
  for (const [at, { token }] of taken.entries()) assert.ok(token > (held[at]?.token ?? 0))
}

async function twoProcesses({ open, openSecond }: Context): Promise<void> {
  const here = await open()
  await prepare(here)
  const there = await openSecond()
  await joinGroup(here, 'crew', 'here')
  await joinGroup(there, 'crew', 'there')
  for (const driver of [here, there]) {
    const { members } = await driver.stores.leases.observe('crew')
    assert.deepEqual(members.map(({ member }) => member).toSorted(), ['here', 'there'])
  }
  const [mine] = await takeOver(here, 'crew', 'work', 'here')
  await takeOver(there, 'crew', 'work', 'there')
  assert.ok(mine)
  const late = await consumeLeases(here, 'crew', 'work', [mine]).settle([{ ...NO_PROGRESS, ...mine, newlySettled: 0 }])
  assert.deepEqual(late.fenced, [0])
  const seen = new Map<string, number>()
  await eventually('each sees the other count', async () => {
    for (const { member, count } of (await here.stores.leases.observe('crew')).members) {
      if (count >= 2) seen.set(member, count)
    }
    return seen.size === 2
  })
}

async function giveBack({ open }: Context): Promise<void> {
  const driver = await open()
  const { leases } = driver.stores
  await prepare(driver, 1)
  await joinGroup(driver, 'crew', 'a')
  const [fresh] = await takeOver(driver, 'crew', 'work', 'a')
  assert.equal(fresh?.clean, true, 'a partition that nobody has had is clean')
  for (const clean of [true, false, true]) {
    const [lease] = await takeOver(driver, 'crew', 'work', 'a')
    assert.ok(lease)
    assert.equal(await leases.giveBack({ ...PLACE, partition: 0, token: lease.token, clean }), true)
    const [free] = (await leases.observe('crew')).partitions
    assert.equal(free?.owner, undefined)
    const [next] = await takeOver(driver, 'crew', 'work', 'b')
    assert.equal(next?.clean, clean)
    assert.equal(await leases.giveBack({ ...PLACE, partition: 0, token: lease.token, clean: true }), false)
    assert.equal((await leases.observe('crew')).partitions[0]?.owner, 'b', 'a late giving back changes nothing')
  }
}

async function leaving({ open }: Context): Promise<void> {
  const driver = await open()
  const { leases } = driver.stores
  await prepare(driver)
  await joinGroup(driver, 'crew', 'leaver')
  await joinGroup(driver, 'crew', 'stayer')
  const [first, ...rest] = await takeOver(driver, 'crew', 'work', 'leaver')
  assert.ok(first)
  await leases.giveBack({ ...PLACE, partition: first.partition, token: first.token, clean: true })
  await leases.leave('leaver')
  await leases.leave('leaver')
  const view = await leases.observe('crew')
  assert.deepEqual(
    view.members.map(({ member }) => member),
    ['stayer'],
  )
  assert.ok(view.partitions.every(({ owner }) => owner === undefined))
  const taken = await takeOver(driver, 'crew', 'work', 'stayer')
  assert.deepEqual(
    taken.map(({ clean }) => clean),
    [true, ...rest.map(() => false)],
    'only what was given back is clean',
  )
}
