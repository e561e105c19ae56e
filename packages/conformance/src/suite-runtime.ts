import { randomUUID } from 'node:crypto'
import type { Log, Runtime } from '@millrace/core/driver'

const quiet = (): void => {}

/**
 * The runtime that the suite hands to drivers: real time, with a wall clock that may be wrong by `skewMs()`. `warned` hears what the
 * driver warns of.
 */
export function suiteRuntime(
  skewMs: () => number = () => 0,
  warned: (text: string) => void = () => undefined,
): Runtime {
  const warn: Log['warn'] = (text, facts) => warned(facts === undefined ? text : `${text} ${JSON.stringify(facts)}`)
  return {
    now: () => Date.now() + skewMs(),
    monotonic: () => performance.now(),
    setTimer(run, ms) {
      const handle = setTimeout(run, ms)
      handle.unref()
      return { cancel: () => clearTimeout(handle) }
    },
    defer: (run) => void setImmediate(run),
    afterPromises: (run) => process.nextTick(run),
    random: () => Math.random(),
    id: () => randomUUID(),
    log: { debug: quiet, info: quiet, warn, error: warn },
  }
}
