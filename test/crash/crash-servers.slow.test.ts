import { available, startPostgres, startRedis } from 'engines'
import { describe, it } from 'vitest'
import { killsOf, proveCrashes, timeoutOf } from './crash-proof.ts'
import { HARNESS_POINTS, SERVER_POINTS } from './points.ts'

const KILLS = killsOf(30)
const hasPostgres = await available('postgres')
const hasRedis = await available('redis-server')
const points = [...SERVER_POINTS, ...HARNESS_POINTS]

describe('processes that are killed, with a server that is killed, restarted and stopped', () => {
  it.skipIf(!hasPostgres)(
    `lose, reorder and overwrite nothing on PostgreSQL in ${KILLS} kills`,
    { timeout: timeoutOf(KILLS) },
    () =>
      proveCrashes({
        name: 'postgres',
        points,
        start: async () => {
          const server = await startPostgres({ own: true })
          return { url: server.url, server }
        },
        kills: KILLS,
        workers: 4,
      }),
  )

  it.skipIf(!hasRedis)(
    `lose, reorder and overwrite nothing on Redis in ${KILLS} kills`,
    { timeout: timeoutOf(KILLS) },
    () =>
      proveCrashes({
        name: 'redis',
        points,
        start: async () => {
          const server = await startRedis({
            own: true,
            appendfsync: 'always',
            settings: { 'maxmemory-policy': 'noeviction' },
          })
          return { url: server.url, server }
        },
        kills: KILLS,
        workers: 4,
      }),
  )
})
