import type { Millrace } from '@millrace/core'
import { sharedNow, WaitForOthers } from './wait-task.ts'

/** Tasks that come at random, at a rate, whatever becomes of those before. */
export interface Arrivals {
  /** Tasks a second, from now on. */
  setRate(rate: number): void
  /** When each came, by its number. */
  readonly cameAt: readonly number[]
  /** Tasks whose enqueue has failed, by their number: they may be stored or not. */
  readonly failed: ReadonlySet<number>
  /** No more come; resolves when all are stored. */
  stop(): Promise<void>
}

const TICK_MS = 10

/** Poisson arrivals; each task takes between half and one and a half of `taskMs`. */
export function startArrivals(millrace: Millrace, taskMs: number): Arrivals {
  const cameAt: number[] = []
  const failed = new Set<number>()
  const underWay = new Set<Promise<unknown>>()
  let rate = 0
  let nextAt = Number.POSITIVE_INFINITY

  function come(): void {
    const now = sharedNow()
    while (nextAt <= now) {
      const n = cameAt.push(nextAt) - 1
      const stored = millrace
        .enqueue(WaitForOthers, { n, ms: taskMs * (0.5 + Math.random()) })
        .catch(() => failed.add(n))
      underWay.add(stored)
      void stored.finally(() => underWay.delete(stored))
      nextAt += gap()
    }
  }

  function gap(): number {
    return (-Math.log(1 - Math.random()) / rate) * 1_000
  }

  const timer = setInterval(come, TICK_MS)
  return {
    setRate(wanted) {
      come()
      rate = wanted
      nextAt = sharedNow() + gap()
    },
    cameAt,
    failed,
    async stop() {
      clearInterval(timer)
      await Promise.all(underWay)
    },
  }
}
