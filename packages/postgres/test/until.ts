import { setTimeout as pause } from 'node:timers/promises'

/** Looks until it is so; what fails meanwhile is not so yet. */
export async function until(look: () => unknown, withinMs = 120_000): Promise<void> {
  const end = performance.now() + withinMs
  for (;;) {
    let failure: unknown
    try {
      if (await look()) return
    } catch (error) {
      failure = error
    }
    if (performance.now() > end) {
      throw new Error(`Waited ${withinMs} ms in vain for: ${String(look)}`, { cause: failure })
    }
    await pause(5)
  }
}
