import { silentLog, type Log } from './log.ts'
import type { Runtime } from './runtime.ts'
import { createUuid7 } from './uuid7.ts'

const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The runtime of production: the host's own clocks, timers and randomness. The only file that may touch them. */
export function systemRuntime({ log = silentLog }: { log?: Log } = {}): Runtime {
  const now = (): number => Date.now()
  return {
    now,
    monotonic: () => performance.now(),
    setTimer(run, ms, keepsAlive = false) {
      const handle = setTimeout(run, Math.min(Math.max(0, ms), LONGEST_TIMER_MS))
      if (!keepsAlive) unref(handle)
      return { cancel: () => clearTimeout(handle) }
    },
    defer: typeof setImmediate === 'function' ? (run) => void setImmediate(run) : (run) => void setTimeout(run, 0),
    afterPromises: hasTicks ? (run) => process.nextTick(run) : (run) => void setTimeout(run, 0),
    random: () => Math.random(),
    id: createUuid7({ now, fill: (bytes) => void crypto.getRandomValues(bytes) }),
    log,
  }
}

const hasTicks = typeof process === 'object' && typeof process.nextTick === 'function'

/** Node's timers are objects with `unref`; a browser's are numbers. */
function unref(handle: unknown): void {
  if (typeof handle === 'object' && handle !== null && 'unref' in handle && typeof handle.unref === 'function') {
    handle.unref()
  }
}
