import { join } from 'node:path'
import { waitFor } from '@millrace/core/testing'
import { available } from 'engines'
import { describe, expect, it } from 'vitest'
import { keepEvidence } from '../crash/evidence.ts'
import { healAndJudge } from '../crash/heal.ts'
import { readHistories } from '../crash/history-file.ts'
import { openPlace } from '../crash/place.ts'
import { createSupervisor } from '../crash/supervisor.ts'
import { GROUNDS } from './grounds.ts'
import { createScene } from './scene.ts'
import { failingSyncs, failSyncsOf } from './syscall-faults.ts'

/** Opening the file has some syncs of its own, and so has every beat of a member that starts slowly. */
const FIRST_FAILURE = 150

describe.skipIf(!(await available('strace')))('a disk that cannot sync', () => {
  it(
    'is never taken for a stored event by SQLite, nor by who opens the file after a crash',
    { timeout: 360_000 },
    async () => {
      await using place = await openPlace('fsync', async (folder) => ({ url: `sqlite:${join(folder, 'events.db')}` }))
      const { url: engine, histories } = place
      const supervisor = createSupervisor({ engine, histories })
      try {
        const hurt = supervisor.start({ publishEveryMs: 10, under: failingSyncs(FIRST_FAILURE) })
        const failed = (): number =>
          readHistories(histories).filter((entry) => entry.kind === 'publish' && ['fail', 'info'].includes(entry.phase))
            .length
        await waitFor(() => failed() >= 3, { timeoutMs: 180_000, everyMs: 100, what: 'publishes to fail' })
        supervisor.kill(hurt)
        await hurt.exited
        const report = await healAndJudge({ supervisor, engine, histories })
        keepEvidence('fsync-errors-sqlite', report)
        expect(report.violations).toEqual([])
        expect(supervisor.fallen).toEqual([])
        expect(report.counts.acknowledged).toBeGreaterThan(0)
      } finally {
        await supervisor.endAll()
      }
    },
  )

  it.each(GROUNDS)(
    'makes $name refuse, or end and come back with all that it had confirmed',
    { timeout: 360_000 },
    async (ground) => {
      await using server = await ground.start()
      await using scene = createScene({ name: `fsync-errors-${ground.name}`, url: server.url, publishTimeoutMs: 2_000 })
      await scene.join()
      await scene.join()
      scene.load()
      await scene.progress(100)
      const faults = await failSyncsOf(server)
      await scene.failure()
      scene.nemesis('crash')
      await faults.heal()
      await server.restart()
      scene.nemesis('restart')
      await scene.progress()
      const { violations } = await scene.finish()
      expect(violations).toEqual([])
    },
  )
})
