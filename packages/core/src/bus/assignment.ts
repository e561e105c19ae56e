import type { GroupView, PartitionLease } from '../driver/lease-store.ts'

/** What a member should do to come to its share. */
export interface AssignmentPlan {
  readonly claim: readonly PartitionLease[]
  readonly giveBack: readonly PartitionLease[]
  /** How many partitions this member should have. */
  readonly quota: number
}

/**
 * Decides alone, without a leader: the members that live share the partitions evenly (the first ones, by name, get one
 * more where it does not divide), each keeps what it has up to its share, gives back what is over, and takes
 * what nobody living holds. Since the shares add up to the whole, members that see the same view never want the same last
 * partition for long; a claim is a compare-and-set, so that at most one of them gets it.
 */
export function planAssignment(view: {
  readonly me: string
  /** Members that count up and run the current filter, this one included if it does. */
  readonly eligible: readonly string[]
  /** Everybody who counts up: what they hold is not to be taken. */
  readonly living: ReadonlySet<string>
  readonly partitions: readonly PartitionLease[]
}): AssignmentPlan {
  const { me, living, partitions } = view
  const members = [...view.eligible].sort()
  const rank = members.indexOf(me)
  const quota = rank === -1 ? 0 : shareOf(rank, members.length, partitions.length)
  const mine = partitions.filter((lease) => lease.owner === me)
  const free = partitions.filter(
    (lease) => lease.owner !== me && (lease.owner === undefined || !living.has(lease.owner)),
  )
  return {
    quota,
    giveBack: mine.slice(quota),
    // Members start at different places of the list, so that they seldom reach for the same partition.
    claim: rotate(free, rank === -1 ? 0 : Math.floor((rank * free.length) / members.length)).slice(
      0,
      Math.max(0, quota - mine.length),
    ),
  }
}

/** Tells who lives: a member whose count has moved within a lease on this observer's own clock, or is new to it. */
export interface LivenessWatch {
  /** Takes a look; returns the living and those that this observer has held for dead, with the count it saw. */
  look(
    members: GroupView['members'],
    nowMs: number,
  ): {
    readonly living: ReadonlySet<string>
    readonly dead: readonly { readonly member: string; readonly count: number }[]
    /** Milliseconds until the first of those whose count stands still would be held for dead; Infinity if all move. */
    readonly dueInMs: number
  }
}

/** Longer than this share of the lease between two looks, nobody was watched: the engine was away, or this process stood still. */
const WATCHED_LEASES = 0.6

/** A watch that holds a member for dead after `leaseMs` without a move of its count. Time in which it could not look does not count. */
export function createLivenessWatch(leaseMs: number): LivenessWatch {
  const seen = new Map<string, { count: number; movedAt: number }>()
  let lookedAt: number | undefined
  return {
    look(members, nowMs) {
      const living = new Set<string>()
      const dead: { member: string; count: number }[] = []
      const present = new Set<string>()
      let dueInMs = Infinity
      const unwatchedMs = lookedAt === undefined ? 0 : Math.max(0, nowMs - lookedAt - leaseMs * WATCHED_LEASES)
      lookedAt = nowMs
      for (const each of seen.values()) each.movedAt += unwatchedMs
      for (const { member, count } of members) {
        present.add(member)
        const before = seen.get(member)
        if (before === undefined || before.count !== count) {
          seen.set(member, { count, movedAt: nowMs })
          living.add(member)
        } else if (nowMs - before.movedAt < leaseMs) {
          living.add(member)
          dueInMs = Math.min(dueInMs, before.movedAt + leaseMs - nowMs)
        } else {
          dead.push({ member, count })
        }
      }
      for (const member of seen.keys()) if (!present.has(member)) seen.delete(member)
      return { living, dead, dueInMs }
    },
  }
}

function shareOf(rank: number, members: number, partitions: number): number {
  return Math.floor(partitions / members) + (rank < partitions % members ? 1 : 0)
}

function rotate<Item>(items: readonly Item[], by: number): readonly Item[] {
  return [...items.slice(by), ...items.slice(0, by)]
}
