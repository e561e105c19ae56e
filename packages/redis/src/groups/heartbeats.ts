import type { HeartbeatOptions, MemberInfo, Timer } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { BEAT } from '../scripts/groups.ts'
import { createLiveness } from './liveness.ts'

/** A member that is to be counted up; `looks[0]` changes when a look at its group has counted it already. */
export interface BeatOrder extends HeartbeatOptions {
  readonly member: string
  readonly group: string
  readonly looks: Int32Array
}

/** Counts up for members. */
export interface Heartbeats {
  start(order: BeatOrder): void
  stop(member: string): void
  stopAll(): void
}

/** After a look that has counted a member, a beat is not due for this many of its intervals: half of a lease. */
const INTERVALS_AFTER_A_LOOK = 2.5

/** The order of a member. */
export function beatOrder({ member, group }: MemberInfo, options: HeartbeatOptions): BeatOrder {
  return { member, group, ...options, looks: new Int32Array(new SharedArrayBuffer(4)) }
}

/** A timer for each member. It does not count while the member's liveness stamp has stood still for too long. */
export function createHeartbeats(redis: Connection): Heartbeats {
  const { runtime } = redis
  const timers = new Map<string, Timer>()

  function stop(member: string): void {
    timers.get(member)?.cancel()
    timers.delete(member)
  }

  return {
    start({ member, group, everyMs, aliveWithinMs, alive, looks }) {
      stop(member)
      const { members, counts } = redis.keys.group(group)
      const liveness = createLiveness(runtime, alive, aliveWithinMs)
      let seenLooks = Atomics.load(looks, 0)
      let lookedAt = -Infinity
      const tick = (): void => {
        const now = runtime.monotonic()
        const currentLooks = Atomics.load(looks, 0)
        if (currentLooks !== seenLooks) lookedAt = now
        seenLooks = currentLooks
        const isDue = now - lookedAt >= INTERVALS_AFTER_A_LOOK * everyMs
        if (liveness.isAlive() && isDue && !redis.closing) {
          // A beat that fails is followed by the next; that the lease is lost is heard of by whoever holds it.
          redis.run(BEAT, [members, counts], [member]).catch(() => undefined)
        }
        timers.set(member, runtime.setTimer(tick, everyMs))
      }
      timers.set(member, runtime.setTimer(tick, everyMs))
    },
    stop,
    stopAll() {
      for (const member of [...timers.keys()]) stop(member)
    },
  }
}
