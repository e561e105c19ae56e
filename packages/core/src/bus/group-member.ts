import type { GroupFilter, GroupView, LeaseStore, PartitionLease } from '../driver/lease-store.ts'
import type { Progress } from '../driver/transport.ts'
import { wait } from '../runtime/abort.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createLivenessWatch, planAssignment } from './assignment.ts'

/** A partition that was claimed, with where its last owner left it. */
export interface ClaimedPartition {
  readonly topic: string
  readonly partition: number
  readonly token: number
  readonly progress: Progress
  readonly clean: boolean
}

export interface GroupMemberOptions {
  readonly member: string
  readonly group: string
  readonly label: string
  readonly leases: LeaseStore
  readonly runtime: Runtime
  readonly leaseMs: number
  /** How long the main thread may stand still before the lease is let go. */
  readonly aliveWithinMs: number
  readonly alive: Int32Array
  /** What this member listens to, sorted. */
  readonly types: readonly string[]
  readonly onClaimed: (claimed: ClaimedPartition) => Promise<void>
  /**
   * The partition is to go to somebody else: resolves when its progress is stored, and nothing of it runs or the time
   * for that is up; `clean` when nothing runs, `lost` when the lease is not held any more and there is nothing to give.
   */
  readonly drain: (lease: PartitionLease) => Promise<'clean' | 'unclean' | 'lost'>
  readonly onLost: (lease: PartitionLease) => void
  /** Partitions that this member holds now. */
  readonly held: () => readonly PartitionLease[]
  readonly onExpelled: (member: string) => void
  readonly onError: (error: unknown) => void
}

/** A member of a group: takes its share of the partitions and keeps to it as others come and go. */
export interface GroupMember {
  /** Resolves when the first share is taken. */
  readonly ready: Promise<void>
  /** When the store last confirmed what is held, on the monotonic clock. */
  readonly confirmedAt: number
  /** Looks again now. */
  refresh(): void
  /** Ends the loop. The partitions are still held; `leave` gives them up. */
  stop(): Promise<void>
  leave(): Promise<void>
}

const QUICK_LOOK_MS = 200
/**
 * How often a member shows that it lives, and looks for others, when nothing happens: together 56 commands a minute with a
 * lease of 5 seconds. Two beats may get lost, and a count that stands still is looked at again when its lease ends.
 */
const BEATS_PER_LEASE = 3
const LOOK_LEASES = 0.6
/** A filter that lacks types of the stored one takes over only when nobody has run the stored one for this many leases. */
const LEASES_BEFORE_NARROWING = 3

export function createGroupMember(options: GroupMemberOptions): GroupMember {
  const { member, group, label, leases, runtime, leaseMs, types } = options
  const watch = createLivenessWatch(leaseMs)
  const draining = new Set<string>()
  const stopping = new AbortController()
  let look = new AbortController()
  let joinedEpoch: number | undefined
  let storedFilterSeenAt = runtime.monotonic()
  let confirmedAt = runtime.monotonic()
  let resolveReady: () => void = () => {}
  const ready = new Promise<void>((resolve) => (resolveReady = resolve))
  const finished = loop()

  async function loop(): Promise<void> {
    let failures = 0
    while (!stopping.signal.aborted) {
      let restMs = QUICK_LOOK_MS
      // Whoever asks for a look while one is under way gets another: this one may have read before.
      look = new AbortController()
      try {
        restMs = await tick()
        failures = 0
        resolveReady()
      } catch (error) {
        if (isMillraceError(error, 'closed')) return
        if (failures++ === 0) options.onError(error)
        restMs = QUICK_LOOK_MS * Math.min(10, failures + 1)
      }
      if (stopping.signal.aborted) return
      await wait(runtime, restMs, look.signal)
    }
  }

  /** One look and what follows from it; the milliseconds until another look is due. */
  async function tick(): Promise<number> {
    const lookedAt = runtime.monotonic()
    const inHandBefore = inHand()
    let view = await leases.observe(group)
    const epoch = await settleFilter(view)
    if (joinedEpoch !== epoch || !view.members.some((other) => other.member === member)) {
      await leases.join(
        { member, group, label, filterEpoch: epoch ?? 0 },
        { everyMs: leaseMs / BEATS_PER_LEASE, aliveWithinMs: options.aliveWithinMs, alive: options.alive },
      )
      joinedEpoch = epoch
      view = await leases.observe(group)
    }
    confirm(view, lookedAt)
    const abandoned = await giveBackAbandoned(view, inHandBefore)
    const seen = watch.look(view.members, runtime.monotonic())
    // Whoever looks lives: after a stop of the process its own count may not have moved yet.
    const living = new Set([...seen.living, member])
    for (const { member: gone, count } of seen.dead) {
      if (gone === member) continue
      await leases.expel(gone, count)
      options.onExpelled(gone)
    }
    await narrowWhenAlone(view, living)
    const current = view.filter?.epoch
    const eligible = view.members
      .filter((other) => living.has(other.member) && other.filterEpoch === current)
      .map((other) => other.member)
    const plan = planAssignment({ me: member, eligible, living, partitions: view.partitions })
    for (const lease of plan.giveBack) void giveBack(lease)
    const claimed = await claimAll(plan.claim)
    const unsettled =
      abandoned ||
      plan.giveBack.length > 0 ||
      draining.size > 0 ||
      claimed < plan.claim.length ||
      heldCount(view) + claimed < plan.quota
    return unsettled ? QUICK_LOOK_MS : Math.min(leaseMs * LOOK_LEASES, Math.max(seen.dueInMs, QUICK_LOOK_MS))
  }

  /**
   * A claim or a hand-over whose answer was lost leaves partitions that are ours and that nobody works on. What was in hand when
   * the look began may have been lost since: the view is older than that, and its handlers may still run.
   */
  async function giveBackAbandoned(view: GroupView, inHandBefore: ReadonlySet<string>): Promise<boolean> {
    const known = new Set([...inHandBefore, ...inHand()])
    const abandoned = view.partitions.filter((lease) => lease.owner === member && !known.has(placeOf(lease)))
    for (const { topic, partition, token } of abandoned) {
      await leases.giveBack({ group, topic, partition, token, clean: false })
    }
    return abandoned.length > 0
  }

  /** The places of all partitions that somebody works on here, or that are just given back. */
  function inHand(): Set<string> {
    return new Set([...options.held().map(placeOf), ...draining])
  }

  function heldCount(view: GroupView): number {
    return view.partitions.filter((lease) => lease.owner === member).length
  }

  /** Brings the stored filter to ours if ours has more, and gives the epoch to run under; undefined when ours has less. */
  async function settleFilter(view: GroupView): Promise<number | undefined> {
    const stored = view.filter
    if (stored !== undefined && isSameFilter(stored)) {
      storedFilterSeenAt = runtime.monotonic()
      return stored.epoch
    }
    if (stored === undefined || stored.types.every((type) => types.includes(type))) {
      const put = await leases.putFilter(group, { epoch: (stored?.epoch ?? 0) + 1, types })
      return isSameFilter(put) ? put.epoch : undefined
    }
    return undefined
  }

  async function narrowWhenAlone(view: GroupView, living: ReadonlySet<string>): Promise<void> {
    const stored = view.filter
    if (stored === undefined || isSameFilter(stored)) return
    const others = view.members.some(
      (other) => living.has(other.member) && other.filterEpoch === stored.epoch && other.member !== member,
    )
    if (others) storedFilterSeenAt = runtime.monotonic()
    else if (runtime.monotonic() - storedFilterSeenAt > LEASES_BEFORE_NARROWING * leaseMs) {
      await leases.putFilter(group, { epoch: stored.epoch + 1, types })
    }
  }

  function isSameFilter(filter: GroupFilter): boolean {
    return filter.types.length === types.length && filter.types.every((type, at) => type === types[at])
  }

  function confirm(view: GroupView, lookedAt: number): void {
    const owners = new Map(view.partitions.map((lease) => [`${lease.topic} ${lease.partition}`, lease]))
    for (const held of options.held()) {
      const now = owners.get(`${held.topic} ${held.partition}`)
      if (now?.owner !== member || now.token !== held.token) options.onLost(held)
    }
    confirmedAt = lookedAt
  }

  async function claimAll(wanted: readonly PartitionLease[]): Promise<number> {
    let claimed = 0
    for (const lease of wanted) {
      if (stopping.signal.aborted) break
      const won = await leases.claim({
        group,
        topic: lease.topic,
        partition: lease.partition,
        member,
        expectedOwner: lease.owner,
        expectedToken: lease.token,
      })
      if (won === undefined) continue
      await options.onClaimed({ topic: lease.topic, partition: lease.partition, ...won })
      claimed += 1
    }
    return claimed
  }

  async function giveBack(lease: PartitionLease): Promise<void> {
    const place = placeOf(lease)
    if (draining.has(place)) return
    draining.add(place)
    try {
      const end = await options.drain(lease)
      if (end === 'lost') return
      const { topic, partition, token } = lease
      await leases.giveBack({ group, topic, partition, token, clean: end === 'clean' })
    } catch (error) {
      if (!isMillraceError(error, 'closed')) options.onError(error)
    } finally {
      draining.delete(place)
    }
  }

  return {
    ready,
    get confirmedAt() {
      return confirmedAt
    },
    refresh: () => look.abort(),
    async stop() {
      stopping.abort()
      look.abort()
      await finished
    },
    async leave() {
      await leases.leave(member)
    },
  }
}

function placeOf({ topic, partition }: PartitionLease): string {
  return `${topic} ${partition}`
}
