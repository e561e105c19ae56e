import type { GroupFilter, GroupView, LeaseStore, MemberInfo, PartitionClaim } from '../driver/lease-store.ts'
import type { Progress } from '../driver/transport.ts'
import type { MemoryEngine } from './engine.ts'
import type { GroupState } from './group-state.ts'
import { groupState, underToken } from './groups.ts'

/** Adds a member, or replaces its label and filter epoch. */
export function join(engine: MemoryEngine, info: MemberInfo): void {
  const { members } = groupState(engine, info.group)
  members.set(info.member, { ...info, count: members.get(info.member)?.count ?? 0 })
}

/** Counts up for a member; one that was expelled stays away. */
export function beat(engine: MemoryEngine, info: MemberInfo): void {
  const members = engine.groups.get(info.group)?.members
  const known = members?.get(info.member)
  if (known !== undefined) members?.set(info.member, { ...known, count: known.count + 1 })
}

/** Removes a member and frees its partitions. */
export function leave(engine: MemoryEngine, member: string): void {
  for (const group of engine.groups.values()) if (group.members.has(member)) removeMember(group, member)
}

/** Removes a member if its count is still the one observed. */
export function expel(engine: MemoryEngine, member: string, count: number): void {
  for (const group of engine.groups.values()) {
    if (group.members.get(member)?.count === count) removeMember(group, member)
  }
}

/** The members and the owners of all partitions of a group. */
export function observe(engine: MemoryEngine, name: string): GroupView {
  const group = engine.groups.get(name)
  if (group === undefined) return { members: [], partitions: [], filter: undefined }
  return {
    members: [...group.members.values()],
    partitions: [...group.topics].flatMap(([topic, partitions]) =>
      partitions.map(({ owner, token }, partition) => ({ topic, partition, owner, token })),
    ),
    filter: group.filter,
  }
}

/** Takes a partition if nobody was faster. */
export function claim(
  engine: MemoryEngine,
  wanted: PartitionClaim,
): { token: number; progress: Progress; clean: boolean } | undefined {
  const partition = underToken(engine, wanted, wanted.expectedToken)
  if (partition === undefined || partition.owner !== wanted.expectedOwner) return undefined
  const { clean, progress } = partition
  engine.lastNumber += 1
  partition.owner = wanted.member
  partition.token = engine.lastNumber
  partition.clean = false
  return { token: partition.token, progress, clean }
}

/** Frees a partition under its token. */
export function giveBack(engine: MemoryEngine, lease: Parameters<LeaseStore['giveBack']>[0]): boolean {
  const partition = underToken(engine, lease, lease.token)
  if (partition === undefined) return false
  partition.owner = undefined
  partition.clean = lease.clean
  return true
}

/** Stores the filter if its epoch is the next one; returns what is stored then. */
export function putFilter(engine: MemoryEngine, name: string, filter: GroupFilter): GroupFilter {
  const group = groupState(engine, name)
  if (group.filter === undefined || filter.epoch === group.filter.epoch + 1) {
    group.filter = { epoch: filter.epoch, types: [...filter.types] }
  }
  return group.filter
}

function removeMember(group: GroupState, member: string): void {
  group.members.delete(member)
  for (const partitions of group.topics.values()) {
    for (const partition of partitions) if (partition.owner === member) partition.owner = undefined
  }
}
