import { waitFor } from '@millrace/core/testing'
import { describe, expect, it } from 'vitest'
import { startOn } from '../crash/engines.ts'
import { keepEvidence } from '../crash/evidence.ts'
import { healAndJudge } from '../crash/heal.ts'
import { readHistories } from '../crash/history-file.ts'
import { openPlace } from '../crash/place.ts'
import { createSupervisor } from '../crash/supervisor.ts'
import { GROUNDS } from './grounds.ts'
import { lasting } from './scene.ts'

/** The lease that applications have by default. */
const LEASE_MS = 5_000
/** Ten seconds are promised, and kept on a simulated clock; a busy machine gets as many again. */
const TAKEOVER_MS = 20_000

describe.each(GROUNDS)('$name', (ground) => {
  it('hands the work of a killed process over in time', { timeout: 360_000 }, async () => {
    await using place = await openPlace('takeover', startOn(ground))
    const { url: engine, histories } = place
    const supervisor = createSupervisor({ engine, histories, leaseMs: LEASE_MS })
    try {
      const [killed] = [supervisor.start({ publishEveryMs: 20 }), supervisor.start({ publishEveryMs: 20 })]
      const claimants = (): number =>
        new Set(readHistories(histories).flatMap((entry) => (entry.kind === 'claim' ? [entry.process] : []))).size
      await waitFor(() => claimants() === 2, { timeoutMs: 180_000, everyMs: 100, what: 'both to have partitions' })
      supervisor.kill(killed)
      const takenOver = (): boolean =>
        readHistories(histories).some(
          (entry) => entry.kind === 'claim' && entry.process !== killed.name && !entry.clean,
        )
      await waitFor(takenOver, { timeoutMs: 180_000, everyMs: 100, what: 'somebody to take over' })
      const report = await healAndJudge({ supervisor, engine, histories })
      keepEvidence(`takeover-${ground.name}`, report)
      const longest = Math.round(Math.max(...report.takeoverMs))
      process.stdout.write(`partitions of a killed process taken over on ${ground.name} within ${longest} ms\n`)
      expect(report.violations).toEqual([])
      expect(longest).toBeGreaterThan(0)
      expect(longest).toBeLessThan(TAKEOVER_MS)
    } finally {
      await supervisor.endAll()
    }
  })

  it(
    'may be away: processes that run or start meanwhile wait for it, and none ends',
    { timeout: 360_000 },
    async () => {
      await using place = await openPlace('outage', startOn(ground))
      const { url: engine, server, histories } = place
      const supervisor = createSupervisor({ engine, histories })
      try {
        const runs = supervisor.start({ publishEveryMs: 0 })
        await waitFor(() => runs.ready, { timeoutMs: 120_000, what: 'the first to be ready' })
        await server.kill()
        const starts = supervisor.start({ publishEveryMs: 20 })
        // As long as an operator needs to notice, shorter than the first one's patience with its server.
        await lasting(3_000)
        expect([...supervisor.workers].map(({ name }) => name)).toEqual([runs.name, starts.name])
        await server.restart()
        await waitFor(() => starts.ready, { timeoutMs: 120_000, what: 'the second to be ready' })
        const handled = (): number => readHistories(histories).filter((entry) => entry.kind === 'handle').length
        await waitFor(() => handled() > 50, { timeoutMs: 120_000, everyMs: 100, what: 'events to be handled' })
        const { violations } = await healAndJudge({ supervisor, engine, histories })
        expect(violations).toEqual([])
      } finally {
        await supervisor.endAll()
      }
    },
  )
})
