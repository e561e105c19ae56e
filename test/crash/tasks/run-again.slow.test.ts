import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { waitFor } from '@millrace/core/testing'
import { spread } from '../crash-proof.ts'
import { CRASH_GROUNDS } from '../engines.ts'
import { keepEvidence } from '../evidence.ts'
import { openPlace } from '../place.ts'
import { readHistories } from '../history-file.ts'
import { createSupervisor, type Worker } from '../supervisor.ts'
import { judgeTasks } from './judge.ts'

/** The default of a lease. */
const LEASE_MS = 5_000
/** Ten seconds are promised, and kept on a simulated clock; a busy machine gets as many again. */
const WITHIN_MS = 20_000
const WORKERS = 3

describe.each(CRASH_GROUNDS)('the tasks of a killed worker, with the default lease, on $name', ({ name, start }) => {
  it('are claimed by another in time', { timeout: 720_000 }, async () => {
    await using place = await openPlace('run-again', start)
    const { url, histories } = place
    const supervisor = createSupervisor({
      engine: url,
      histories,
      leaseMs: LEASE_MS,
      program: join(import.meta.dirname, 'worker.ts'),
    })
    try {
      const workers = Array.from({ length: WORKERS }, () => supervisor.start({ publishEveryMs: 20 }))
      await waitFor(() => workers.every(({ ready }) => ready), { what: 'the workers', timeoutMs: 180_000 })
      const [doomed] = workers
      if (doomed === undefined) throw new Error('There is no worker.')
      await waitFor(() => isCaughtAtWork(histories, doomed), {
        what: 'tasks to be under way',
        timeoutMs: 180_000,
        everyMs: 50,
      })
      supervisor.kill(doomed)
      await doomed.exited
      const { violations, runAgainMs } = await judgeTasks({ supervisor, engine: url, histories }, 0)
      const shown = { tasks: runAgainMs.length, ...spread(runAgainMs), most: Math.round(Math.max(...runAgainMs)) }
      process.stdout.write(`tasks of a killed worker on ${name}, lease ${LEASE_MS} ms: ${JSON.stringify(shown)}\n`)
      keepEvidence(`run-again-${name}`, { name, ...shown, runAgainMs })
      expect(violations).toEqual([])
      expect(runAgainMs).not.toEqual([])
      expect(Math.max(...runAgainMs), 'the last of them, in milliseconds').toBeLessThan(WITHIN_MS)
    } finally {
      await supervisor.endAll()
    }
  })
})

/** Stops a process, so that what it has under way stays so until it is killed; lets it go on when that is not enough. */
function isCaughtAtWork(histories: string, { name, child }: Worker): boolean {
  child.kill('SIGSTOP')
  if (runningIn(histories, name) > 2) return true
  child.kill('SIGCONT')
  return false
}

/** How many handlers of a process have begun and not ended. */
function runningIn(histories: string, name: string): number {
  return readHistories(histories).reduce((running, entry) => {
    if (entry.kind !== 'task-run' || entry.process !== name) return running
    return running + (entry.phase === 'start' ? 1 : -1)
  }, 0)
}
