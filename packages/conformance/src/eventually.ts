import { setTimeout as pause } from 'node:timers/promises'

const POLL_MS = 4

/** Milliseconds that the suite waits before it holds something for never coming: `MILLRACE_PATIENCE_MS`, or 15,000. */
export function patienceMs(): number {
  return Number(process.env['MILLRACE_PATIENCE_MS']) || 15_000
}

/**
 * Calls `look` until it gives something other than `undefined` or `false`, and returns that. Throws after `withinMs`
 * milliseconds (default: the suite's patience) with `what` was awaited.
 */
export async function eventually<Value>(
  what: string,
  look: () => Value | undefined | false | Promise<Value | undefined | false>,
  withinMs: number = patienceMs(),
): Promise<Value> {
  const until = performance.now() + withinMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > until) throw new Error(`Waited ${withinMs} ms in vain: ${what}.`)
    await pause(POLL_MS)
  }
}

/** The value of a promise, or an error that names `what` did not happen within `withinMs` milliseconds. */
export async function within<Value>(
  what: string,
  promise: Promise<Value>,
  withinMs: number = patienceMs(),
): Promise<Value> {
  const stop = new AbortController()
  const late = pause(withinMs, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`Waited ${withinMs} ms in vain: ${what}.`)
  })
  late.catch(() => {})
  try {
    return await Promise.race([promise, late])
  } finally {
    stop.abort()
  }
}
