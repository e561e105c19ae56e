import type { HeartbeatOptions, MemberInfo } from '../driver/lease-store.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { MemoryEngine } from './engine.ts'
import { beat } from './leases.ts'

/** Counts up for the members of one opened driver. */
export interface Heartbeats {
  start(member: MemberInfo, options: HeartbeatOptions): void
  stop(member: string): void
  stopAll(): void
}

/** A timer for each member. It does not count while the member's liveness stamp has stood still for too long. */
export function createHeartbeats(engine: MemoryEngine, runtime: Runtime): Heartbeats {
  const timers = new Map<string, Timer>()

  function stop(member: string): void {
    timers.get(member)?.cancel()
    timers.delete(member)
  }

  return {
    start(info, { everyMs, aliveWithinMs, alive }) {
      stop(info.member)
      let stamp = Atomics.load(alive, 0)
      let seenAt = runtime.monotonic()
      const tick = (): void => {
        const current = Atomics.load(alive, 0)
        if (current !== stamp) {
          stamp = current
          seenAt = runtime.monotonic()
        }
        if (runtime.monotonic() - seenAt <= aliveWithinMs) beat(engine, info)
        timers.set(info.member, runtime.setTimer(tick, everyMs))
      }
      timers.set(info.member, runtime.setTimer(tick, everyMs))
    },
    stop,
    stopAll() {
      for (const member of timers.keys()) stop(member)
    },
  }
}
