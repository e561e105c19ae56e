import { setTimeout as pause } from 'node:timers/promises'

/** Looks until it is so; what fails meanwhile is not so yet. */
export async function until(look: () => unknown): Promise<void> {
  const end = performance.now() + 60_000
  for (;;) {
    try {
      if (await look()) return
    } catch (error) {
      if (performance.now() > end) throw error
    }
    if (performance.now() > end) throw new Error(`Waited in vain for: ${String(look)}`)
    await pause(20)
  }
}
