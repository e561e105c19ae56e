import { describe, expect, it } from 'vitest'
import { PLANTED_TASK_BUGS } from '../planted/task-bugs.ts'
import { taskStorm } from './task-storm.ts'

/** A bug may need a death at the right moment: this many storms are tried until one shows it. */
const STORMS = 4

describe('the checker of tasks', () => {
  it.concurrent('finds nothing in the engine without a bug', { timeout: 360_000 }, async ({ expect: expected }) => {
    const { violations, counts } = await taskStorm()
    expected(violations).toEqual([])
    for (const seen of ['done', 'dead', 'cancelled', 'reclaimed', 'fenced', 'scheduled'] as const)
      expected(counts[seen], `tasks that were ${seen}`).toBeGreaterThan(0)
  })

  it.concurrent.each(PLANTED_TASK_BUGS)(
    'catches an engine that $name, as $caughtAs',
    { timeout: 720_000 },
    async ({ plant, caughtAs }) => {
      const seen = new Set<string>()
      for (let storm = 1; storm <= STORMS && !seen.has(caughtAs); storm += 1) {
        const { violations } = await taskStorm(plant)
        for (const { property } of violations) seen.add(property)
      }
      expect([...seen]).toContain(caughtAs)
    },
  )
})
