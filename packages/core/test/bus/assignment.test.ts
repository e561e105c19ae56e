import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLivenessWatch, planAssignment } from '../../src/bus/assignment.ts'
import type { PartitionLease } from '../../src/driver/lease-store.ts'

const partitionsOf = (count: number): PartitionLease[] =>
  Array.from({ length: count }, (_, partition) => ({ topic: 't', partition, owner: undefined, token: 0 }))

describe('assignment', () => {
  it('shares evenly within a few rounds, whoever joins or dies, and never takes from the living', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 8 }), {
          minLength: 1,
          maxLength: 4,
        }),
        (count, epochs) => {
          let partitions = partitionsOf(count)
          for (const alive of epochs) {
            const members = alive.map((id) => `m${id}`)
            const living = new Set(members)
            for (let round = 0; round < 3; round += 1) {
              for (const me of members) {
                const plan = planAssignment({ me, eligible: members, living, partitions })
                for (const lease of plan.claim) expect(lease.owner === undefined || !living.has(lease.owner)).toBe(true)
                partitions = partitions.map((lease) => {
                  if (plan.giveBack.includes(lease)) return { ...lease, owner: undefined }
                  if (plan.claim.includes(lease)) return { ...lease, owner: me, token: lease.token + 1 }
                  return lease
                })
              }
            }
            const shares = members.map((me) => partitions.filter((lease) => lease.owner === me).length)
            expect(shares.reduce((sum, share) => sum + share, 0)).toBe(count)
            expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it('keeps what a member holds when nothing changes', () => {
    const partitions = partitionsOf(4).map((lease) => ({ ...lease, owner: lease.partition % 2 === 0 ? 'a' : 'b' }))
    const plan = planAssignment({ me: 'a', eligible: ['a', 'b'], living: new Set(['a', 'b']), partitions })
    expect(plan).toEqual({ quota: 2, claim: [], giveBack: [] })
  })

  it('gives a member that may not take part nothing, and has it return what it holds', () => {
    const partitions = partitionsOf(2).map((lease) => ({ ...lease, owner: 'old' }))
    const plan = planAssignment({ me: 'old', eligible: ['new'], living: new Set(['old', 'new']), partitions })
    expect(plan.giveBack).toHaveLength(2)
    expect(plan.quota).toBe(0)
  })
})

describe('liveness', () => {
  const member = (count: number) => ({ member: 'a', group: 'g', label: '', filterEpoch: 1, count })

  it('holds a member for dead only when its count stood still for a whole lease on this clock', () => {
    const watch = createLivenessWatch(5_000)
    expect(watch.look([member(7)], 0).living.has('a')).toBe(true)
    expect(watch.look([member(7)], 4_999).living.has('a')).toBe(true)
    expect(watch.look([member(8)], 5_000).living.has('a')).toBe(true)
    expect(watch.look([member(8)], 7_500).dead).toEqual([])
    expect(watch.look([member(8)], 9_999).dead).toEqual([])
    expect(watch.look([member(8)], 10_000)).toMatchObject({ living: new Set(), dead: [{ member: 'a', count: 8 }] })
  })

  it('holds nobody for dead because it could not look for long', () => {
    const watch = createLivenessWatch(5_000)
    watch.look([member(7)], 0)
    expect(watch.look([member(7)], 60_000)).toMatchObject({ living: new Set(['a']), dueInMs: 2_000 })
    expect(watch.look([member(7)], 62_000).dead).toEqual([{ member: 'a', count: 7 }])
  })

  it('says when the first of those that stand still would be dead', () => {
    const watch = createLivenessWatch(5_000)
    expect(watch.look([member(7)], 0).dueInMs).toBe(Infinity)
    expect(watch.look([member(7)], 3_000).dueInMs).toBe(2_000)
    expect(watch.look([member(8)], 4_000).dueInMs).toBe(Infinity)
  })

  it('takes a member that comes back for new', () => {
    const watch = createLivenessWatch(5_000)
    watch.look([member(1)], 0)
    watch.look([], 1_000)
    expect(watch.look([member(1)], 60_000).living.has('a')).toBe(true)
  })
})
