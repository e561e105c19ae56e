import type { HeartbeatOptions, MemberInfo, Timer } from '@millrace/core/driver'
import type { Call, Host } from './host.ts'

export interface JoinInput {
  readonly member: MemberInfo
  readonly beat: HeartbeatOptions
}

/** Counts up for the members of this process while the main thread shows that it is alive. */
export interface Heartbeats {
  start(input: JoinInput): void
  stop(member: string): void
  stopAll(): void
}

/** Beats are calls like any other: they share transactions with what waits. */
export function createHeartbeats(host: Host, accept: (call: Call) => void): Heartbeats {
  const timers = new Map<string, Timer>()
  const stop = (member: string): void => {
    timers.get(member)?.cancel()
    timers.delete(member)
  }
  return {
    start({ member: { member }, beat: { everyMs, aliveWithinMs, alive } }) {
      stop(member)
      let seen = Atomics.load(alive, 0)
      let seenAt = host.monotonic()
      const tick = (): void => {
        const value = Atomics.load(alive, 0)
        const now = host.monotonic()
        if (value !== seen) seenAt = now
        seen = value
        if (now - seenAt < aliveWithinMs) accept({ id: 0, name: 'beat', input: [member] })
        timers.set(member, host.setTimer(tick, everyMs))
      }
      timers.set(member, host.setTimer(tick, everyMs))
    },
    stop,
    stopAll() {
      for (const member of [...timers.keys()]) stop(member)
    },
  }
}
