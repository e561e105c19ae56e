import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createMillrace } from '@millrace/core'
import { waitFor } from '@millrace/core/testing'
import { crashEngine } from '../crash-engine.ts'
import { CRASH_GROUNDS } from '../engines.ts'
import { openPlace } from '../place.ts'
import { createSupervisor } from '../supervisor.ts'
import { withDriver } from '../with-driver.ts'
import { drained, readFinalTasks } from './judge.ts'
import { Job, LEASE_MS, treatmentOf } from './tasks.ts'

const TASKS = 400
/** In the crowd once, alone twice. */
const DEATHS = 3

describe.each(CRASH_GROUNDS)('a task that ends the process which runs it on $name', ({ start }) => {
  it('is dead after three deaths, and its neighbours are done', { timeout: 540_000 }, async () => {
    await using place = await openPlace('poison-tasks', start)
    const { url, histories } = place
    const numbers = Array.from({ length: TASKS * 2 }, (_, n) => n).filter((n) => treatmentOf(n, 1).does === 'work')
    const inputs = numbers.slice(0, TASKS).map((n) => ({ n, key: `k${n % 4}` }))
    const poison = inputs[TASKS / 2]?.n ?? 0
    await using millrace = createMillrace({ name: 'poison', engine: await crashEngine(url), leaseMs: LEASE_MS })
    const handles = await millrace.enqueueMany(Job, inputs)

    const supervisor = createSupervisor({
      engine: url,
      histories,
      leaseMs: LEASE_MS,
      program: join(import.meta.dirname, 'worker.ts'),
    })
    try {
      await waitFor(
        async () => {
          if (supervisor.workers.size === 0) supervisor.start({ publishEveryMs: 0, poison })
          return (await millrace.tasks.list({ states: ['dead'], limit: 1 })).length > 0
        },
        { timeoutMs: 120_000, everyMs: 50, what: 'the poison to be found' },
      )
      const final = await withDriver(url, async (driver) => {
        await drained(driver)
        return readFinalTasks(driver)
      })
      const [dead, ...others] = final.toSorted((a, b) => a.state.localeCompare(b.state))
      expect(dead).toMatchObject({
        id: handles[TASKS / 2]?.id,
        state: 'dead',
        code: 'task_killed_worker',
        crashes: DEATHS,
      })
      expect(supervisor.kills).toBe(DEATHS)
      expect(others.filter(({ state }) => state !== 'done')).toEqual([])
      expect(others).toHaveLength(TASKS - 1)
      // What was beside it once is never beside it again.
      expect(Math.max(...others.map(({ crashes }) => crashes))).toBeLessThanOrEqual(1)
    } finally {
      await supervisor.endAll()
    }
  })
})
