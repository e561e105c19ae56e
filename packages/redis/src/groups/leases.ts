import type { GroupFilter, GroupView, LeaseStore, MemberInfo } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { placeName, splitPlace } from '../keys.ts'
import { pairsOf, type Registry } from '../log/registry.ts'
import { CLAIM, GIVE_BACK, JOIN, OBSERVE, PUT_FILTER, REMOVE_MEMBER } from '../scripts/groups.ts'
import { beatOrder, type BeatOrder, type Heartbeats } from './heartbeats.ts'
import { createLiveness, type Liveness } from './liveness.ts'
import { decodeProgress, withMark } from './progress.ts'

/** Members and leases of groups; all keys of a group are in one slot, so that each step is one script. */
export function createLeaseStore(redis: Connection, registry: Registry, heartbeats: Heartbeats): LeaseStore {
  /** The groups of members that were seen: removing one names only the member. */
  const groupOf = new Map<string, string>()
  /** The members of this process. */
  const own = new Map<string, { readonly order: BeatOrder; readonly liveness: Liveness }>()

  /** Those that a look counts up on its way, so that a beat of their own is not needed. */
  function counted(group: string): string[] {
    const living: string[] = []
    for (const { order, liveness } of own.values()) {
      if (order.group !== group || !liveness.isAlive()) continue
      Atomics.add(order.looks, 0, 1)
      living.push(order.member)
    }
    return living
  }

  async function removeMember(member: string, count: string): Promise<void> {
    const group = groupOf.get(member)
    const groups = group === undefined ? [...(await registry.groups()).keys()] : [group]
    for (const each of groups) {
      const { leases, members, counts } = redis.keys.group(each)
      await redis.run(REMOVE_MEMBER, [leases, members, counts], [member, count])
    }
  }

  return {
    async join(info, beat) {
      const { members, counts } = redis.keys.group(info.group)
      const stored = JSON.stringify([info.label, info.filterEpoch])
      await redis.run(JOIN, [members, counts], [info.member, stored])
      groupOf.set(info.member, info.group)
      const order = beatOrder(info, beat)
      own.set(info.member, { order, liveness: createLiveness(redis.runtime, beat.alive, beat.aliveWithinMs) })
      heartbeats.start(order)
    },
    async leave(member) {
      heartbeats.stop(member)
      own.delete(member)
      await removeMember(member, '')
      groupOf.delete(member)
    },
    expel: (member, count) => removeMember(member, String(count)),
    async observe(group) {
      const { leases, members, counts, filter } = redis.keys.group(group)
      const reply = await redis.run(OBSERVE, [leases, members, counts, filter], counted(group))
      const view = viewOf(group, reply as ObserveReply)
      for (const { member } of view.members) groupOf.set(member, group)
      return view
    },
    async claim({ group, topic, partition, member, expectedOwner = '', expectedToken }) {
      const { leases, progress, marks } = redis.keys.group(group)
      const place = placeName(topic, partition)
      const args = [place, member, expectedOwner, String(expectedToken)]
      const won = await redis.run(CLAIM, [leases, progress, marks], args)
      if (!Array.isArray(won)) return undefined
      const [token, clean, stored, mark] = won as [string, string, string, string | null]
      return { token: Number(token), clean: clean === '1', progress: withMark(decodeProgress(stored), mark) }
    },
    async giveBack({ group, topic, partition, token, clean }) {
      const { leases } = redis.keys.group(group)
      const args = [placeName(topic, partition), String(token), clean ? '1' : '0']
      return (await redis.run(GIVE_BACK, [leases], args)) === 1
    },
    async putFilter(group, { epoch, types }) {
      const { filter } = redis.keys.group(group)
      const stored = await redis.run(PUT_FILTER, [filter], [String(epoch), JSON.stringify({ epoch, types })])
      return JSON.parse(String(stored)) as GroupFilter
    },
  }
}

type ObserveReply = readonly [members: unknown, counts: unknown, leases: unknown, filter: string | null]

function viewOf(group: string, [members, counts, leases, filter]: ObserveReply): GroupView {
  const countOf = new Map(pairsOf(counts))
  return {
    members: pairsOf(members).map(([member, stored]): MemberInfo & { count: number } => {
      const [label, filterEpoch] = JSON.parse(stored) as [string, number]
      return { member, group, label, filterEpoch, count: Number(countOf.get(member) ?? 0) }
    }),
    partitions: pairsOf(leases)
      .map(([place, lease]) => {
        const [token = '', , owner = ''] = lease.split('\n')
        return { ...splitPlace(place), owner: owner === '' ? undefined : owner, token: Number(token) }
      })
      .toSorted((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition)),
    filter: filter === null ? undefined : (JSON.parse(filter) as GroupFilter),
  }
}
