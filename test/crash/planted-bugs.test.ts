import { describe, expect, it } from 'vitest'
import { simulate } from '../../packages/core/test/simulation/simulate.ts'
import { PLANTED_BUGS } from './planted/bugs.ts'

/** A bug may need a crash or a rebalance at the right moment: this many seeds are tried until one shows it. */
const SEEDS = 12

describe('the checker', () => {
  it.each(PLANTED_BUGS)(
    'catches an engine that $name, as $caughtAs',
    { timeout: 360_000 },
    async ({ plant, caughtAs }) => {
      const seen = new Set<string>()
      for (let seed = 1; seed <= SEEDS && !seen.has(caughtAs); seed += 1) {
        const { report } = await simulate(seed, { plant, drainWithinMs: 5_000 })
        for (const { property } of report.violations) seen.add(property)
      }
      expect([...seen]).toContain(caughtAs)
    },
  )

  it('finds nothing in the engine without a bug', async () => {
    const { report, errors } = await simulate(1)
    expect(report.violations).toEqual([])
    expect(errors).toEqual([])
  })
})
