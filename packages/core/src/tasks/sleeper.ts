import type { Runtime, Timer } from '../runtime/runtime.ts'

/** One timer that stands for the earliest moment that anybody asked for. */
export interface Sleeper {
  /** Wakes at this moment of the monotonic clock, or before. */
  until(at: number): void
  stop(): void
}

export function createSleeper(runtime: Runtime, wake: () => void): Sleeper {
  let timer: Timer | undefined
  let wakesAt = Number.POSITIVE_INFINITY

  return {
    until(at) {
      if (wakesAt <= at) return
      timer?.cancel()
      wakesAt = at
      timer = runtime.setTimer(
        () => {
          wakesAt = Number.POSITIVE_INFINITY
          wake()
        },
        Math.max(0, at - runtime.monotonic()),
      )
    },
    stop: () => timer?.cancel(),
  }
}
