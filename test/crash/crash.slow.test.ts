import { join } from 'node:path'
import { describe, it } from 'vitest'
import { killsOf, proveCrashes, timeoutOf } from './crash-proof.ts'
import { HARNESS_POINTS, SQLITE_POINTS } from './points.ts'

const KILLS = killsOf(300)

describe('processes that are killed on one SQLite file', () => {
  it(`lose, reorder and overwrite nothing in ${KILLS} kills`, { timeout: timeoutOf(KILLS) }, () =>
    proveCrashes({
      name: 'sqlite',
      points: [...SQLITE_POINTS, ...HARNESS_POINTS],
      start: async (folder) => ({ url: `sqlite:${join(folder, 'crash.db')}` }),
      kills: KILLS,
    }),
  )
})
