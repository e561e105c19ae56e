import { setTimeout as pause } from 'node:timers/promises'

/** Resolves when so many milliseconds have passed: for what is about the time that passes itself. */
export async function passing(ms: number): Promise<void> {
  const until = performance.now() + ms
  while (performance.now() < until) await pause(Math.max(1, until - performance.now()))
}
