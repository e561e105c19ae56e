import type { Runtime } from '../runtime/runtime.ts'
import { channels } from './diagnostics.ts'

const LOOK_EVERY_MS = 500
const WARN_ABOVE_MS = 1_000

/**
 * Watches the event loop, and keeps the sign of life that heartbeat threads look for: `alive[0]` changes for as long as the
 * loop turns. A loop that stood still for over a second is logged; every look goes to the diagnostics channel.
 */
export function createLoopWatchdog({
  millrace,
  runtime,
  alive,
  everyMs = LOOK_EVERY_MS,
}: {
  readonly millrace: string
  readonly runtime: Runtime
  readonly alive: Int32Array
  readonly everyMs?: number
}): { stop(): void } {
  let expectedAt = runtime.monotonic() + everyMs
  let timer = runtime.setTimer(look, everyMs)

  function look(): void {
    const lagMs = Math.max(0, runtime.monotonic() - expectedAt)
    Atomics.add(alive, 0, 1)
    if (channels.loopLag.hasSubscribers) channels.loopLag.publish({ millrace, lagMs })
    if (lagMs > WARN_ABOVE_MS) {
      runtime.log.warn('the event loop stood still: move work that computes for long into a worker thread', {
        lagMs: Math.round(lagMs),
      })
    }
    expectedAt = runtime.monotonic() + everyMs
    timer = runtime.setTimer(look, everyMs)
  }

  return { stop: () => timer.cancel() }
}
