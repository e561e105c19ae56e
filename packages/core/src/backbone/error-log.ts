import { isMillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** The same failure is logged once in so many milliseconds: an engine that is away fails every loop of a process again and again. */
const QUIET_MS = 60_000
const MOST_TEXTS = 100

/** Where failures go that no caller can hear of, when nobody listens: to the log, each text once a minute with how often it was left out. */
export function createErrorLog(runtime: Pick<Runtime, 'log' | 'monotonic'>): (error: unknown) => void {
  const logged = new Map<string, { readonly at: number; repeated: number }>()
  return (error) => {
    const text = textOf(error)
    const last = logged.get(text)
    if (last !== undefined && runtime.monotonic() - last.at < QUIET_MS) {
      last.repeated += 1
      return
    }
    // A map keeps the order of adding: the oldest text goes first.
    logged.delete(text)
    if (logged.size >= MOST_TEXTS) logged.delete(logged.keys().next().value ?? '')
    logged.set(text, { at: runtime.monotonic(), repeated: 0 })
    runtime.log.error(text, {
      ...(isMillraceError(error) ? { code: error.code, retriable: error.retriable } : {}),
      ...(last === undefined || last.repeated === 0 ? {} : { repeated: last.repeated }),
    })
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
