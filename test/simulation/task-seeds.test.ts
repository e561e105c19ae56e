import { describe, expect, it } from 'vitest'
import { PLANTED_TASK_BUGS } from '../crash/planted/task-bugs.ts'
import { simulateTasks, type RareTaskPaths, type SimulatedTasks } from './simulate-tasks.ts'

/** `MILLRACE_SEED=123` runs one seed; `MILLRACE_SEEDS=10000` runs more than the usual number. */
const ONE = process.env['MILLRACE_SEED']
const SEEDS = Number(process.env['MILLRACE_SEEDS'] ?? 60)
const PARTS = 5
/** A planted bug must show itself in one of so many worlds. */
const PLANTED_SEEDS = 20
/** What one seed takes on a slow machine, twice. */
const MS_PER_SEED = 10_000

describe('tasks in a simulated world', () => {
  const rare = new Map<string, number>()

  it.each(ranges())(
    'keep their promises with the seeds $first to $last',
    { timeout: Math.max(180_000, (SEEDS / PARTS) * MS_PER_SEED) },
    async ({ first, last }) => {
      for (let seed = first; seed <= last; seed += 1) {
        const run = await check(seed)
        for (const [name, count] of Object.entries(run.rare)) rare.set(name, (rare.get(name) ?? 0) + count)
      }
    },
  )

  it.skipIf(ONE !== undefined)('have come by every rare path, else the run proves nothing', () => {
    const never = [...rare].filter(([, count]) => count === 0).map(([name]) => name as keyof RareTaskPaths)
    expect(rare.size).toBeGreaterThan(0)
    expect(never).toEqual([])
  })
})

describe('the simulation of tasks', () => {
  it.skipIf(ONE !== undefined).each(PLANTED_TASK_BUGS)(
    'catches an engine that $name, as $caughtAs',
    { timeout: Math.max(180_000, PLANTED_SEEDS * MS_PER_SEED) },
    async ({ plant, caughtAs }) => {
      const seen = new Set<string>()
      for (let seed = 1; seed <= PLANTED_SEEDS && !seen.has(caughtAs); seed += 1) {
        const { report } = await simulateTasks(seed, { plant })
        for (const { property } of report.violations) seen.add(property)
      }
      expect([...seen]).toContain(caughtAs)
    },
  )
})

function ranges(): readonly { readonly first: number; readonly last: number }[] {
  if (ONE !== undefined) return [{ first: Number(ONE), last: Number(ONE) }]
  return Array.from({ length: PARTS }, (_, part) => ({
    first: Math.floor((part * SEEDS) / PARTS) + 1,
    last: Math.floor(((part + 1) * SEEDS) / PARTS),
  }))
}

/** Runs a seed twice: both must keep all promises and leave the same trace. */
async function check(seed: number): Promise<SimulatedTasks> {
  const first = await simulateTasks(seed)
  const second = await simulateTasks(seed)
  const wrong = [
    ...first.report.violations.map(({ property, text }) => `${property}: ${text}`),
    ...first.errors,
    ...(first.traceHash === second.traceHash ? [] : [`two runs differ: ${first.traceHash} and ${second.traceHash}`]),
  ]
  if (wrong.length > 0) {
    const replay = `MILLRACE_SEED=${seed} npx vitest run test/simulation/task-seeds.test.ts`
    throw new Error(`${replay}\n${wrong.slice(0, 10).join('\n')}\nAttacks: ${first.attacks.join(', ')}`)
  }
  return first
}
