import type { HeartbeatOptions, MemberInfo, Timer } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { BEAT } from '../scripts/groups.ts'

/** Counts up for the members of one opened driver. */
export interface Heartbeats {
  start(member: MemberInfo, options: HeartbeatOptions): void
  stop(member: string): void
  /** The members of a group to count up with a call that goes out anyway: those that are alive and have a beat due. */
  countNow(group: string): string[]
  stopAll(): void
}

interface Beating {
  readonly group: string
  readonly everyMs: number
  readonly aliveWithinMs: number
  readonly alive: Int32Array
  stamp: number
  stampSeenAt: number
  countedAt: number
  timer: Timer | undefined
}

/** A timer for each member. It does not count while the member's liveness stamp has stood still for too long. */
export function createHeartbeats(redis: Connection): Heartbeats {
  const { runtime } = redis
  const members = new Map<string, Beating>()

  function isAlive(beating: Beating): boolean {
    const stamp = Atomics.load(beating.alive, 0)
    if (stamp !== beating.stamp) {
      beating.stamp = stamp
      beating.stampSeenAt = runtime.monotonic()
    }
    return runtime.monotonic() - beating.stampSeenAt <= beating.aliveWithinMs
  }

  function tick(member: string, beating: Beating): void {
    if (isAlive(beating) && !redis.closing) {
      const { members: names, counts } = redis.keys.group(beating.group)
      beating.countedAt = runtime.monotonic()
      // A beat that fails is followed by the next one; whoever holds the lease hears of the loss from its own calls.
      redis.run(BEAT, [names, counts], [member]).catch(() => undefined)
    }
    schedule(member, beating)
  }

  function schedule(member: string, beating: Beating): void {
    beating.timer?.cancel()
    beating.timer = runtime.setTimer(() => tick(member, beating), beating.everyMs)
  }

  function stop(member: string): void {
    members.get(member)?.timer?.cancel()
    members.delete(member)
  }

  return {
    start({ member, group }, { everyMs, aliveWithinMs, alive }) {
      stop(member)
      const now = runtime.monotonic()
      const stamp = Atomics.load(alive, 0)
      const beating: Beating = {
        group,
        everyMs,
        aliveWithinMs,
        alive,
        stamp,
        stampSeenAt: now,
        countedAt: now,
        timer: undefined,
      }
      members.set(member, beating)
      schedule(member, beating)
    },
    stop,
    countNow: () => [],
    stopAll() {
      for (const member of [...members.keys()]) stop(member)
    },
  }
}
