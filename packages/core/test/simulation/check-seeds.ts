import { describe, expect, it } from 'vitest'
import type { RarePaths, Simulated } from './simulate.ts'
import { simulate } from './simulate.ts'

/** `MILLRACE_SEED=123` runs one seed; `MILLRACE_SEEDS=10000` runs more than the usual number. */
const ONE = process.env['MILLRACE_SEED']
const SEEDS = Number(process.env['MILLRACE_SEEDS'] ?? 300)
const PARTS = 10
/** A lease of the simulation takes a second; the promise of ten seconds is for the default lease of five. */
const TAKEOVER_LEASES = 2
const LEASE_MS = 1_000

/**
 * Describes one half of the seeds, so that two files can run side by side. A seed that is asked for is run by the first
 * half alone.
 */
export function describeSeeds(half: 1 | 2): void {
  describe('the bus in a simulated world', () => {
    if (ONE === undefined) describeHalf(half)
    else it.skipIf(half === 2)(`keeps its promises with seed ${ONE}`, () => check(Number(ONE)))
  })
}

function describeHalf(half: 1 | 2): void {
  const rare = new Map<string, number>()
  const takeovers: number[] = []
  for (let part = half === 1 ? 0 : PARTS / 2; part < (half === 1 ? PARTS / 2 : PARTS); part += 1) {
    const first = Math.floor((part * SEEDS) / PARTS) + 1
    const last = Math.floor(((part + 1) * SEEDS) / PARTS)
    it(
      `keeps its promises with the seeds ${first} to ${last}`,
      async () => {
        for (let seed = first; seed <= last; seed += 1) {
          const run = await check(seed)
          takeovers.push(...run.takeoverMs)
          for (const [name, count] of Object.entries(run.rare)) rare.set(name, (rare.get(name) ?? 0) + count)
        }
      },
      Math.max(60_000, (last - first + 1) * 5_000),
    )
  }

  it('has come by every rare path, else the run proves nothing', () => {
    const never: (keyof RarePaths)[] = []
    for (const [name, count] of rare) if (count === 0) never.push(name as keyof RarePaths)
    expect(rare.size).toBeGreaterThan(0)
    expect(never).toEqual([])
  })

  it('takes over what a dead process held within two leases, unless the engine is away', () => {
    const sorted = takeovers.toSorted((a, b) => a - b)
    const most = sorted[Math.floor(sorted.length * 0.5)] ?? Infinity
    expect(sorted.length).toBeGreaterThan(SEEDS / 20)
    expect(most).toBeLessThan(TAKEOVER_LEASES * LEASE_MS)
  })
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
