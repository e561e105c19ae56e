import { backoffDelay, type Backoff } from '../runtime/backoff.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'

/** A rest after failures that follow one another, the longer the more there were. */
export interface GrowingRest {
  readonly isResting: boolean
  /** Failures since the last success. */
  readonly failures: number
  failed(): void
  succeeded(): void
  stop(): void
}

const BACKOFF: Backoff = { first: 50, factor: 2, ceiling: 2_000 }

export function createGrowingRest(runtime: Runtime, onRested: () => void): GrowingRest {
  let failures = 0
  let timer: Timer | undefined

  return {
    get isResting() {
      return timer !== undefined
    },
    get failures() {
      return failures
    },
    failed() {
      failures += 1
      if (timer !== undefined) return
      timer = runtime.setTimer(
        () => {
          timer = undefined
          onRested()
        },
        backoffDelay(BACKOFF, failures, 0.5 + runtime.random() / 2),
      )
    },
    succeeded: () => void (failures = 0),
    stop: () => timer?.cancel(),
  }
}
