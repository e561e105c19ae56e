import type { Progress } from './transport.ts'

/**
 * Members of groups and the leases of their partitions. No clock is compared between processes: a member counts
 * up, and an observer that has not seen the count move for a whole lease, on its own monotonic clock, holds it for dead.
 */
export interface LeaseStore {
  /**
   * Adds a member and counts up for it every `everyMs` until it leaves, from a thread of its own where the engine has
   * one. It stops counting while `alive[0]` has not changed for `aliveWithinMs`: a main thread that is blocked for
   * longer loses its leases. Joining again replaces the label and the filter epoch and adds the member anew if it was
   * expelled.
   */
  join(member: MemberInfo, beat: HeartbeatOptions): Promise<void>

  /** Ends the counting and removes the member; the partitions that it still owns become free. Idempotent. */
  leave(member: string): Promise<void>

  /** Removes a member that an observer holds for dead, if its count is still the one observed. */
  expel(member: string, count: number): Promise<void>

  /** The members of a group and the owners of all partitions of its topics, in one consistent look. */
  observe(group: string): Promise<GroupView>

  /**
   * Takes a partition if its owner and token are still those observed. Atomic; raises the token. `undefined` when
   * somebody was faster. `clean` tells whether the last owner gave it back with nothing under way.
   */
  claim(
    claim: PartitionClaim,
  ): Promise<{ readonly token: number; readonly progress: Progress; readonly clean: boolean } | undefined>

  /** Gives a partition back under its token; false when the token has moved on. */
  giveBack(lease: {
    readonly group: string
    readonly topic: string
    readonly partition: number
    readonly token: number
    readonly clean: boolean
  }): Promise<boolean>

  /**
   * Stores the filter of a group when `epoch` is that of the stored one plus one (or there is none); returns what is stored
   * then. Atomic.
   */
  putFilter(group: string, filter: GroupFilter): Promise<GroupFilter>
}

export interface MemberInfo {
  /** Unique per subscription and process. */
  readonly member: string
  readonly group: string
  /** For people: host, process id, name of the service. */
  readonly label: string
  /** The epoch of the filter that this member runs. */
  readonly filterEpoch: number
}

export interface HeartbeatOptions {
  readonly everyMs: number
  readonly aliveWithinMs: number
  /** Shared with the main thread, which changes `alive[0]` for as long as its event loop turns. */
  readonly alive: Int32Array
}

/** What a group listens to: exact types and patterns (`order.*`). */
export interface GroupFilter {
  readonly epoch: number
  readonly types: readonly string[]
}

export interface GroupView {
  readonly members: readonly (MemberInfo & { readonly count: number })[]
  readonly partitions: readonly PartitionLease[]
  readonly filter: GroupFilter | undefined
}

export interface PartitionLease {
  readonly topic: string
  readonly partition: number
  readonly owner: string | undefined
  readonly token: number
}

export interface PartitionClaim {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly member: string
  readonly expectedOwner: string | undefined
  readonly expectedToken: number
}
