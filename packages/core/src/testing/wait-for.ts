import { setTimeout } from 'node:timers'

/**
 * Polls a condition in real time, for tests that run against real engines. Resolves with its first value that is neither
 * false nor undefined; rejects after `timeoutMs` (default 60,000), saying what was waited for.
 */
export async function waitFor<Value>(
  condition: () => Value | false | undefined | Promise<Value | false | undefined>,
  {
    timeoutMs = 60_000,
    everyMs = 10,
    what = 'the condition',
  }: { readonly timeoutMs?: number; readonly everyMs?: number; readonly what?: string } = {},
): Promise<Value> {
  const until = performance.now() + timeoutMs
  for (;;) {
    const value = await condition()
    if (value !== false && value !== undefined) return value
    if (performance.now() >= until) throw new Error(`Waited ${timeoutMs} ms for ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
