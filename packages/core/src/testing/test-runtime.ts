import { silentLog } from '../runtime/log.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createUuid7 } from '../runtime/uuid7.ts'
import { createEventHeap, type Happening } from './event-heap.ts'
import { createRandom } from './random.ts'
import { settlePromises } from './settle-promises.ts'
import { fillFrom } from './world.ts'

/** A runtime whose clock stands still until the test moves it, with seeded randomness and ids. */
export interface TestRuntime extends Runtime {
  /** Timers that have not fired. */
  readonly pendingTimers: number
  /** Moves the clock by `ms` milliseconds; timers fire at their times, and promises settle between them. */
  advance(ms: number): Promise<void>
  /** Moves the clock from timer to timer until the condition holds. Rejects after `withinMs` (default a minute) of its time. */
  advanceUntil(condition: () => boolean, options?: { readonly withinMs?: number }): Promise<void>
}

/** The wall clock of a test begins here: 2026-01-01. */
const TEST_BEGINS = 1_767_225_600_000

/**
 * Time for tests: nothing happens before `advance`, and the same seed gives the same ids and draws.
 *
 * @example
 * const runtime = testRuntime(1)
 * const millrace = createMillrace({ engine: memory(), runtime })
 * await runtime.advance(5_000)
 */
export function testRuntime(seed = 1): TestRuntime {
  const random = createRandom(seed)
  const heap = createEventHeap()
  let elapsed = 0
  let planned = 0

  function nextWithin(until: number): Happening | undefined {
    for (let next = heap.peek(); next !== undefined; next = heap.peek()) {
      if (next.cancelled) heap.pop()
      else return next.at <= until ? heap.pop() : undefined
    }
    return undefined
  }

  async function fireNext(until: number): Promise<boolean> {
    await settlePromises()
    const next = nextWithin(until)
    if (next === undefined) return false
    elapsed = Math.max(elapsed, next.at)
    next.run()
    return true
  }

  const now = (): number => TEST_BEGINS + Math.floor(elapsed)
  const setTimer: Runtime['setTimer'] = (run, ms) => {
    const happening: Happening = { at: elapsed + Math.max(0, ms), order: planned++, run, cancelled: false, owner: -1 }
    heap.push(happening)
    return { cancel: () => void (happening.cancelled = true) }
  }
  return {
    now,
    monotonic: () => elapsed,
    setTimer,
    defer: (run) => void setTimer(run, 0),
    afterPromises: (run) => void setTimer(run, 0),
    random: random.next,
    id: createUuid7({ now, fill: (bytes) => fillFrom(random, bytes) }),
    log: silentLog,
    get pendingTimers() {
      return heap.size
    },
    async advance(ms) {
      const until = elapsed + ms
      while (await fireNext(until));
      elapsed = until
    },
    async advanceUntil(condition, { withinMs = 60_000 } = {}) {
      const until = elapsed + withinMs
      for (;;) {
        await settlePromises()
        if (condition()) return
        if (!(await fireNext(until))) throw new Error(`The condition did not hold within ${withinMs} ms of test time.`)
      }
    },
  }
}
