import { waitFor } from '@millrace/core/testing'
import { checkCrashes, type CrashReport } from './checker.ts'
import { drainAll } from './drain.ts'
import { readFinalState } from './final-state.ts'
import { openHistory, readHistories } from './history-file.ts'
import type { CrashedWorld } from './crash-run.ts'
import type { Supervisor } from './supervisor.ts'
import { withDriver } from './with-driver.ts'

/** Lets no worker publish or die any more, drains, lets all of them go in peace, and judges what they wrote down. */
export async function healAndJudge({ supervisor, engine, histories }: CrashedWorld): Promise<CrashReport> {
  await letLive(supervisor)
  const history = openHistory(histories, 'operator')
  await drainAll({ engine, record: history.record, healed: () => supervisor.tell('healed') })
  history.close()
  await Promise.all([...supervisor.workers].map((worker) => supervisor.leave(worker)))
  return checkCrashes(readHistories(histories), await withDriver(engine, readFinalState))
}

/** From now on nobody dies or publishes, and at least three workers are there. */
export async function letLive(supervisor: Supervisor): Promise<void> {
  for (const worker of supervisor.workers)
    if (worker.point !== undefined && worker.ended === undefined) supervisor.kill(worker)
  await waitFor(() => [...supervisor.workers].every(({ ended, paused }) => ended === undefined && !paused), {
    what: 'the killed to be gone',
  })
  while (supervisor.workers.size < 3) supervisor.start({ publishEveryMs: 0 })
  await waitFor(() => [...supervisor.workers].every(({ ready }) => ready), {
    what: 'the workers to be ready',
    timeoutMs: 180_000,
  })
  supervisor.tell('quiet')
}
