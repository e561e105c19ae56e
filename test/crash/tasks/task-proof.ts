import { join } from 'node:path'
import { expect } from 'vitest'
import { prove, type CrashProof } from '../crash-proof.ts'
import { judgeTasks, type TaskCrashReport } from './judge.ts'

/** Beside what is proved of events. */
export interface TaskProof extends CrashProof {
  /** Milliseconds of answered settles and claims that the server may forget when it is killed. */
  readonly forgetsMs?: number
}

/** Kills processes that add tasks and work on them, and expects that every task came to the end that it should. */
export async function proveTaskCrashes(proof: TaskProof): Promise<void> {
  const { counts } = await prove<TaskCrashReport>(proof, {
    subject: 'tasks-crash',
    program: join(import.meta.dirname, 'worker.ts'),
    everyMs: 40,
    judge: (world) => judgeTasks(world, proof.forgetsMs ?? 0),
    killsPerHit: 60,
    spreads: ({ runAgainMs }) => ({ runAgain: runAgainMs }),
  })
  expect(counts.reclaimed, 'a run without tasks of the dead proves nothing').toBeGreaterThan(0)
  for (const state of ['done', 'dead', 'cancelled', 'scheduled', 'deduplicated'] as const)
    expect(counts[state], `tasks that are ${state}`).toBeGreaterThan(0)
}
