import { setTimeout as pause } from 'node:timers/promises'

/** Resolves when the condition holds; fails after `withinMs` of real time, which is generous and never part of a result. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`The condition did not hold within ${withinMs} ms: ${condition.toString()}`)
    await pause(5)
  }
}
