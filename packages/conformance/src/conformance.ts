import { describe, test } from 'vitest'
import type { ConformanceOptions } from './context.ts'
import { SUBJECTS } from './properties.ts'
import { reasonToSkip, runProperty, seedOfRun } from './run-property.ts'

/**
 * Registers the suite with Vitest: one test for each property, each on an engine of its own. What the engine cannot do
 * by its own declaration is skipped with the reason. A failure prints the seed; `MILLRACE_SEED` repeats it.
 *
 * @example
 * conformance({ name: 'memory', makeEngine: () => memory(), restart: (engine) => engine })
 */
export function conformance(options: ConformanceOptions): void {
  const seed = seedOfRun()
  describe(`${options.name} keeps the promises of the ports`, () => {
    for (const [subject, properties] of Object.entries(SUBJECTS)) {
      describe(subject, () => {
        for (const property of properties) {
          test(property.id, async ({ skip }) => {
            const reason = await reasonToSkip(property, options)
            if (reason !== undefined) skip(`Not for ${options.name}: ${reason}.`)
            await runProperty(property, options, seed)
          })
        }
      })
    }
  })
}
