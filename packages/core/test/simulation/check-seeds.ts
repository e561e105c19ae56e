import { describe, expect, it } from 'vitest'
import { simulate, type RarePaths, type Simulated } from './simulate.ts'

/** `MILLRACE_SEED=123` runs one seed; `MILLRACE_SEEDS=10000` runs more than the usual number. */
const ONE = process.env['MILLRACE_SEED']
const SEEDS = Number(process.env['MILLRACE_SEEDS'] ?? 300)
const PARTS_OF_HALF = 5
/** What one seed takes on a slow machine, twice. */
const MS_PER_SEED = 5_000
/** A lease of the simulation takes a second. */
const TWO_LEASES_MS = 2_000

/**
 * Describes one half of the seeds, so that two files can run side by side. A seed that is asked for is run by the first
 * half alone.
 */
export function describeSeeds(half: 1 | 2): void {
  const rare = new Map<string, number>()
  const takeovers: number[] = []

  describe('the bus in a simulated world', () => {
    it.each(rangesOf(half))(
      'keeps its promises with the seeds $first to $last',
      { timeout: timeoutOf(SEEDS) },
      async ({ first, last }) => {
        for (let seed = first; seed <= last; seed += 1) {
          const run = await check(seed)
          takeovers.push(...run.report.takeoverMs)
          for (const [name, count] of Object.entries(run.rare)) rare.set(name, (rare.get(name) ?? 0) + count)
        }
      },
    )

    it.skipIf(ONE !== undefined)('has come by every rare path, else the run proves nothing', () => {
      const never = [...rare].filter(([, count]) => count === 0).map(([name]) => name as keyof RarePaths)
      expect(rare.size).toBeGreaterThan(0)
      expect(never).toEqual([])
    })

    it.skipIf(ONE !== undefined)('takes over what a dead process held within two leases, as a rule', () => {
      const sorted = takeovers.toSorted((a, b) => a - b)
      expect(sorted.length).toBeGreaterThan(SEEDS / 20)
      expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(TWO_LEASES_MS)
    })
  })
}

function rangesOf(half: 1 | 2): readonly { readonly first: number; readonly last: number }[] {
  if (ONE !== undefined) return half === 1 ? [{ first: Number(ONE), last: Number(ONE) }] : []
  const parts = PARTS_OF_HALF * 2
  return Array.from({ length: PARTS_OF_HALF }, (_, at) => {
    const part = half === 1 ? at : at + PARTS_OF_HALF
    return { first: Math.floor((part * SEEDS) / parts) + 1, last: Math.floor(((part + 1) * SEEDS) / parts) }
  })
}

function timeoutOf(seeds: number): number {
  return Math.max(180_000, (seeds / PARTS_OF_HALF) * MS_PER_SEED)
}

/** Runs a seed twice: both must keep all promises and leave the same trace. */
async function check(seed: number): Promise<Simulated> {
  const first = await simulate(seed)
  const second = await simulate(seed)
  const wrong = [
    ...first.report.violations.map(({ property, text }) => `${property}: ${text}`),
    ...first.errors,
    ...(first.traceHash === second.traceHash ? [] : [`two runs differ: ${first.traceHash} and ${second.traceHash}`]),
  ]
  if (wrong.length > 0) {
    const replay = `MILLRACE_SEED=${seed} npx vitest run packages/core/test/simulation/seeds-1.test.ts`
    throw new Error(`${replay}\n${wrong.slice(0, 10).join('\n')}\nAttacks: ${first.attacks.join(', ')}`)
  }
  return first
}
