import assert from 'node:assert/strict'
import type { Driver, GroupFilter } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import type { Property } from '../property.ts'
import { joinGroup } from '../worker.ts'

/** What members must do. */
export const memberProperties: readonly Property[] = [
  { id: '25 a living member counts up', run: countsUp },
  { id: '25 a member whose thread is blocked stops counting', run: blockedThread },
  { id: '44 joining again replaces what is known of a member', run: joinAgain },
  { id: '45 the filter of a group changes one epoch at a time', run: filterEpochs },
]

async function prepare(driver: Driver): Promise<void> {
  await driver.transport.ensureTopic('work', { partitions: 2 })
  await driver.transport.ensureGroup('crew', ['work'], 'earliest')
}

async function countsUp({ open }: Context): Promise<void> {
  const driver = await open()
  await prepare(driver)
  await driver.stores.leases.join(
    { member: 'quick', group: 'crew', label: 'quick', filterEpoch: 0 },
    { everyMs: 10, aliveWithinMs: 600_000, alive: new Int32Array(new SharedArrayBuffer(4)) },
  )
  let last = -1
  for (let round = 0; round < 3; round += 1) {
    last = await eventually(`the count moves on from ${last}`, async () => {
      const count = (await driver.stores.leases.observe('crew')).members[0]?.count ?? 0
      return count > last ? count : undefined
    })
  }
}

async function blockedThread({ open }: Context): Promise<void> {
  const driver = await open()
  await prepare(driver)
  const alive = new Int32Array(new SharedArrayBuffer(4))
  await driver.stores.leases.join(
    { member: 'blocked', group: 'crew', label: 'blocked', filterEpoch: 0 },
    { everyMs: 5, aliveWithinMs: 40, alive },
  )
  await joinGroup(driver, 'crew', 'clock')
  const counts = async (): Promise<{ blocked: number; clock: number }> => {
    const { members } = await driver.stores.leases.observe('crew')
    const of = (name: string): number => members.find(({ member }) => member === name)?.count ?? 0
    return { blocked: of('blocked'), clock: of('clock') }
  }
  let stopped: number | undefined
  for (let round = 0; round < 10 && stopped === undefined; round += 1) {
    const before = await counts()
    const after = await eventually('another member counts four times', async () => {
      const now = await counts()
      return now.clock >= before.clock + 4 ? now : undefined
    })
    if (after.blocked === before.blocked) stopped = after.blocked
  }
  assert.ok(stopped !== undefined, 'its count stands still while another member counts')
  const stoodAt = stopped
  await eventually('it counts again when its thread turns', async () => {
    Atomics.add(alive, 0, 1)
    return (await counts()).blocked > stoodAt
  })
}

async function joinAgain({ open }: Context): Promise<void> {
  const driver = await open()
  const { leases } = driver.stores
  await prepare(driver)
  const alive = new Int32Array(new SharedArrayBuffer(4))
  for (const filterEpoch of [1, 2]) {
    await leases.join(
      { member: 'm', group: 'crew', label: `label ${filterEpoch}`, filterEpoch },
      { everyMs: 50, aliveWithinMs: 60_000, alive },
    )
    const { members } = await leases.observe('crew')
    assert.deepEqual(
      members.map(({ member, group, label, filterEpoch: epoch }) => ({ member, group, label, filterEpoch: epoch })),
      [{ member: 'm', group: 'crew', label: `label ${filterEpoch}`, filterEpoch }],
    )
  }
}

async function filterEpochs({ open }: Context): Promise<void> {
  const driver = await open()
  const { leases } = driver.stores
  await prepare(driver)
  assert.equal((await leases.observe('crew')).filter, undefined)
  const first = { epoch: 1, types: ['a.b', 'c.*'] }
  assert.deepEqual(await leases.putFilter('crew', first), first)
  assert.deepEqual(await leases.putFilter('crew', { epoch: 3, types: ['x'] }), first, 'an epoch is not left out')
  assert.deepEqual(await leases.putFilter('crew', { epoch: 1, types: ['x'] }), first, 'an epoch is not repeated')
  const rivals = await Promise.all(
    Array.from({ length: 8 }, (_, at) => leases.putFilter('crew', { epoch: 2, types: [`rival.${at}`] })),
  )
  const { filter } = await leases.observe('crew')
  assert.ok(filter !== undefined && filter.epoch === 2)
  assert.deepEqual(
    rivals,
    rivals.map((): GroupFilter => filter),
    'all are told which one is stored',
  )
}
