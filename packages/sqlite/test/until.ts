import { setTimeout as pause } from 'node:timers/promises'

/** Looks until it is so. */
export async function until(look: () => unknown, withinMs = 120_000): Promise<void> {
  const end = performance.now() + withinMs
  while (!(await look())) {
    if (performance.now() > end) throw new Error(`Waited ${withinMs} ms in vain for: ${String(look)}`)
    await pause(5)
  }
}
