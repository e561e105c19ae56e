import { join } from 'node:path'
import { describe, it } from 'vitest'
import { killsOf, timeoutOf } from '../crash-proof.ts'
import { TASK_POINTS } from '../points.ts'
import { proveTaskCrashes } from './task-proof.ts'

const KILLS = killsOf(100)

describe('processes that are killed while they add tasks and work on them, on one SQLite file', () => {
  it(`lose no task and settle none twice in ${KILLS} kills`, { timeout: timeoutOf(KILLS) }, () =>
    proveTaskCrashes({
      name: 'sqlite',
      points: [...TASK_POINTS, 'before-commit', 'after-commit-before-reply', 'mid-batch'],
      start: async (folder) => ({ url: `sqlite:${join(folder, 'tasks.db')}` }),
      kills: KILLS,
    }),
  )
})
