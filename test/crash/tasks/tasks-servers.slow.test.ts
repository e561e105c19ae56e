import { describe, it } from 'vitest'
import { POSTGRES, REDIS } from '../../faults/grounds.ts'
import { killsOf, timeoutOf } from '../crash-proof.ts'
import { TASK_POINTS } from '../points.ts'
import { proveTaskCrashes } from './task-proof.ts'

const KILLS = killsOf(20)
/** Settles and claims are answered before PostgreSQL has synced them, which it does every 0.2 s and at most three times that late, when it gets to run. */
const POSTGRES_FORGETS_MS = 4_000

describe('processes that are killed while they add tasks and work on them, with a server that is killed, restarted and stopped', () => {
  it.skipIf(!POSTGRES.available)(
    `lose no task and settle none twice on PostgreSQL in ${KILLS} kills`,
    { timeout: timeoutOf(KILLS) },
    () =>
      proveTaskCrashes({
        name: 'postgres',
        points: TASK_POINTS,
        start: async () => {
          const server = await POSTGRES.start()
          return { url: server.url, server }
        },
        kills: KILLS,
        workers: 4,
        forgetsMs: POSTGRES_FORGETS_MS,
      }),
  )

  it.skipIf(!REDIS.available)(
    `lose no task and settle none twice on Redis in ${KILLS} kills`,
    { timeout: timeoutOf(KILLS) },
    () =>
      proveTaskCrashes({
        name: 'redis',
        points: TASK_POINTS,
        start: async () => {
          const server = await REDIS.start()
          return { url: server.url, server }
        },
        kills: KILLS,
        workers: 4,
      }),
  )
})
