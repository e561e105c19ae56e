import { expect, test } from 'vitest'
import { createGroupMember } from '../../src/bus/group-member.ts'
import type { LeaseStore, PartitionLease } from '../../src/driver.ts'
import { memory } from '../../src/memory.ts'
import { testRuntime } from '../../src/testing.ts'

const LEASE_MS = 5_000
const BEATING = { everyMs: 100, aliveWithinMs: 3_600_000, alive: new Int32Array(1) }

/** A member of a group on one topic whose store answers a look only when told. */
async function scene() {
  const runtime = testRuntime(1)
  const driver = memory().open(runtime)
  await driver.transport.connect()
  await driver.transport.ensureTopic('order', { partitions: 1 })
  await driver.transport.ensureGroup('g', ['order'], 'earliest')
  const { leases } = driver.stores
  const held: PartitionLease[] = []
  const givenBack: number[] = []
  const endDrain: (() => void)[] = []
  let isHolding = false
  let looks = 0
  let release: () => void = () => {}
  const store: LeaseStore = {
    ...leases,
    async observe(group) {
      const view = await leases.observe(group)
      looks += 1
      if (isHolding) await new Promise<void>((resolve) => (release = resolve))
      return view
    },
    giveBack(lease) {
      givenBack.push(lease.token)
      return leases.giveBack(lease)
    },
  }
  const errors: unknown[] = []
  const member = createGroupMember({
    member: 'one',
    group: 'g',
    label: 'one',
    leases: store,
    runtime,
    leaseMs: LEASE_MS,
    aliveWithinMs: BEATING.aliveWithinMs,
    alive: BEATING.alive,
    types: ['order.placed'],
    onClaimed: async ({ topic, partition, token }) => void held.push({ topic, partition, owner: 'one', token }),
    drain: async () => {
      await new Promise<void>((resolve) => endDrain.push(resolve))
      return 'clean'
    },
    onLost: (lease) => void held.splice(held.indexOf(lease), 1),
    held: () => held,
    onExpelled: () => {},
    onError: (error) => void errors.push(error),
  })
  await runtime.advanceUntil(() => held.length === 1)
  return {
    runtime,
    leases,
    member,
    held,
    givenBack,
    errors,
    hold: () => void (isHolding = true),
    release() {
      isHolding = false
      release()
    },
    looks: () => looks,
    endDrain,
  }
}

test('what was lost while the member looked is not given back: its handlers may still run', async () => {
  const { runtime, leases, member, held, givenBack, errors, hold, release, looks } = await scene()
  hold()
  const before = looks()
  member.refresh()
  await runtime.advanceUntil(() => looks() > before)
  // The look has read that the lease is ours. Now another member takes it, and the next write of progress is fenced.
  const { topic, partition, token } = held[0] as PartitionLease
  await leases.claim({ group: 'g', topic, partition, member: 'two', expectedOwner: 'one', expectedToken: token })
  held.pop()
  release()
  await runtime.advance(2 * LEASE_MS)
  expect(givenBack).toEqual([])
  expect(errors).toEqual([])
})

test('what is given back while the member looks is given back once: it stays clean', async () => {
  const { runtime, leases, held, givenBack, hold, release, looks, endDrain } = await scene()
  const { token } = held[0] as PartitionLease
  await leases.join({ member: 'another', group: 'g', label: 'another', filterEpoch: 1 }, BEATING)
  await runtime.advanceUntil(() => endDrain.length === 1)
  // The look reads that the partition is still ours; while its answer is under way, the hand-over comes to its end.
  hold()
  const before = looks()
  await runtime.advanceUntil(() => looks() > before)
  held.pop()
  endDrain[0]?.()
  await runtime.advanceUntil(() => givenBack.length > 0)
  release()
  await runtime.advance(1_000)
  expect(givenBack).toEqual([token])
  const { partitions } = await leases.observe('g')
  const place = { group: 'g', topic: 'order', partition: 0, member: 'another', expectedOwner: undefined }
  expect(partitions).toMatchObject([{ owner: undefined, token }])
  expect(await leases.claim({ ...place, expectedToken: token })).toMatchObject({ clean: true })
})

test('what is ours and nobody works on, for the answer to the claim was lost, is given back and claimed anew', async () => {
  const { runtime, held, givenBack } = await scene()
  const { token } = held.pop() as PartitionLease
  await runtime.advanceUntil(() => held.length === 1)
  expect(givenBack).toEqual([token])
  expect(held[0]?.token).toBeGreaterThan(token)
})

test('a look that is asked for while another is under way follows it at once', async () => {
  const { runtime, member, hold, release, looks } = await scene()
  hold()
  const before = looks()
  member.refresh()
  await runtime.advanceUntil(() => looks() === before + 1)
  member.refresh()
  release()
  await runtime.advance(1)
  expect(looks()).toBe(before + 2)
})
