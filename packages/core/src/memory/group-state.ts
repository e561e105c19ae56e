import type { GroupFilter, MemberInfo } from '../driver/lease-store.ts'
import type { Progress } from '../driver/transport.ts'
import type { Lane } from './lane.ts'
import { sequenceOf } from './position.ts'

/** A group as the engine keeps it. */
export interface GroupState {
  readonly group: string
  readonly topics: Map<string, readonly GroupPartition[]>
  readonly members: Map<string, MemberInfo & { readonly count: number }>
  filter: GroupFilter | undefined
  readonly lane: Lane
}

/** What a group knows of one partition. */
export interface GroupPartition {
  owner: string | undefined
  token: number
  /** Whether the last owner gave it back with nothing under way. */
  clean: boolean
  progress: Progress
}

/** Whether a sequence number is settled, contiguously or ahead. */
export function isSettled(progress: Progress, sequence: number): boolean {
  if (sequence <= sequenceOf(progress.settled)) return true
  return progress.ahead.some(([from, to]) => sequenceOf(from) <= sequence && sequence <= sequenceOf(to))
}

/** The contiguously settled sequence numbers of some groups in one partition. */
export function settledSequences(readers: readonly GroupPartition[]): number[] {
  return readers.map(({ progress }) => sequenceOf(progress.settled))
}
