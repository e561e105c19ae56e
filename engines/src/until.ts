import { setTimeout as pause } from 'node:timers/promises'

/** Asks every 20 ms until the answer is true. Throws, with what it last saw, after `withinMs` (default 120,000). */
export async function until(what: string, isSo: () => Promise<boolean>, withinMs = 120_000): Promise<void> {
  const end = performance.now() + withinMs
  let last: unknown
  for (;;) {
    const answer = await isSo().catch((error: unknown) => {
      last = error
      return false
    })
    if (answer) return
    if (performance.now() > end) throw new Error(`Within ${withinMs} ms this did not happen: ${what}.`, { cause: last })
    await pause(20)
  }
}
