import type { Capabilities } from '@millrace/core/driver'
import { describe, test } from 'vitest'
import type { ConformanceOptions } from './context.ts'
import { patienceMs } from './eventually.ts'
import { SUBJECTS } from './properties.ts'
import { probeCapabilities, reasonToSkip, runProperty, seedOfRun } from './run-property.ts'

/**
 * Registers the suite with Vitest: one test for each property, each on an engine of its own. What the engine cannot do
 * by its own declaration is skipped with the reason. A failure prints the seed; `MILLRACE_SEED` repeats it.
 *
 * @example
 * conformance({ name: 'memory', makeEngine: () => memory(), restart: (engine) => engine })
 */
export function conformance(options: ConformanceOptions): void {
  const seed = seedOfRun()
  /** Generous: it only ends what hangs. */
  const timeout = 8 * patienceMs()
  let probed: Promise<Capabilities> | undefined
  const capabilities = (): Promise<Capabilities> => (probed ??= probeCapabilities(options))
  describe(`${options.name} keeps the promises of the ports`, () => {
    for (const [subject, properties] of Object.entries(SUBJECTS)) {
      // oxlint-disable-next-line vitest/valid-title -- the subjects are a table
      describe(subject, () => {
        for (const property of properties) {
          // oxlint-disable-next-line vitest/valid-title -- the ids of properties are the titles
          test(property.id, { timeout }, async ({ skip }) => {
            const reason = await reasonToSkip(property, options, capabilities)
            if (reason !== undefined) skip(`Not for ${options.name}: ${reason}.`)
            await runProperty(property, options, seed)
          })
        }
      })
    }
  })
}
