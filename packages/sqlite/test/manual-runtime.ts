import type { Runtime } from '@millrace/core/driver'
import { systemRuntime } from '../../core/src/runtime/system-runtime.ts'

/** A runtime whose wall clock stands still until it is moved; timers and the rest are real. */
export interface ManualRuntime extends Runtime {
  advance(ms: number): void
}

export function manualRuntime(start = 1_000_000): ManualRuntime {
  let now = start
  return {
    ...systemRuntime(),
    now: () => now,
    advance(ms) {
      now += ms
    },
  }
}
