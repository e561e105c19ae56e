import type { Runtime } from '@millrace/core/driver'

/** Whether the thread that a member works on still turns. */
export interface Liveness {
  /** False when the stamp has stood still for longer than it may. */
  isAlive(): boolean
}

/** Watches the stamp that a main thread changes for as long as its event loop turns. */
export function createLiveness(runtime: Pick<Runtime, 'monotonic'>, alive: Int32Array, withinMs: number): Liveness {
  let stamp = Atomics.load(alive, 0)
  let seenAt = runtime.monotonic()
  return {
    isAlive() {
      const now = runtime.monotonic()
      const current = Atomics.load(alive, 0)
      if (current !== stamp) seenAt = now
      stamp = current
      return now - seenAt <= withinMs
    },
  }
}
