import { waitFor } from '@millrace/core/testing'
import { available, psql, startPgbouncer } from 'engines'
import { describe, expect, it } from 'vitest'
import { POSTGRES } from './grounds.ts'
import { startupMessage, takeConnections } from './idle-connections.ts'
import { createScene, failuresOf } from './scene.ts'

const MOST_CONNECTIONS = 40
const hasPooler = await available('pgbouncer')

describe.skipIf(!POSTGRES.available)('PostgreSQL', () => {
  it(
    'has no connection left: what has one goes on, the others are told and get in later',
    { timeout: 360_000, concurrent: true },
    async () => {
      await using server = await POSTGRES.start({ settings: { max_connections: String(MOST_CONNECTIONS) } })
      await using scene = createScene({ name: 'postgres-connections', url: server.url, publishTimeoutMs: 2_000 })
      await scene.join()
      scene.load()
      await scene.progress()
      const held = await takeConnections(server.url, MOST_CONNECTIONS, startupMessage('millrace', 'postgres'))
      expect(held.open, 'the server had room').toBeLessThan(MOST_CONNECTIONS)
      const late = scene.join()
      await scene.progress()
      held[Symbol.dispose]()
      await late
      await scene.progress()
      expect((await scene.finish()).violations).toEqual([])
    },
  )

  it(
    'ends all of its sessions, the listening ones too: events are found again',
    { timeout: 360_000, concurrent: true },
    async () => {
      await using server = await POSTGRES.start()
      await using scene = createScene({ name: 'postgres-sessions', url: server.url })
      await scene.join()
      await scene.join()
      scene.load()
      await scene.progress()
      const others = `FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`
      await waitFor(async () =>
        (await psql(server.url, `SELECT pg_terminate_backend(pid) ${others} AND query LIKE 'LISTEN%'`)).includes('t'),
      )
      await scene.progress()
      for (let times = 0; times < 3; times += 1) {
        await psql(server.url, `SELECT pg_terminate_backend(pid) ${others}`)
        await scene.progress()
      }
      expect((await scene.finish()).violations).toEqual([])
    },
  )

  it(
    'has a transaction open that holds the horizon: nothing waits for it, nothing is skipped',
    { timeout: 360_000, concurrent: true },
    async () => {
      await using server = await POSTGRES.start()
      await using scene = createScene({ name: 'postgres-horizon', url: server.url })
      await scene.join()
      await scene.join()
      scene.load()
      await scene.progress()
      const holding = `FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND query LIKE '%pg_sleep(600)'`
      const open = psql(server.url, 'SELECT txid_current(), pg_sleep(600)').catch(() => 'ended')
      await waitFor(async () => (await psql(server.url, `SELECT count(*) ${holding}`))[0] === '1')
      await scene.progress(100)
      expect(await psql(server.url, `SELECT pg_terminate_backend(pid) ${holding}`)).toEqual(['t'])
      expect(await open).toBe('ended')
      expect((await scene.finish()).violations).toEqual([])
    },
  )

  it(
    'accepts no writes for a while: it is said so, and goes on by itself',
    { timeout: 360_000, concurrent: true },
    async () => {
      await using server = await POSTGRES.start()
      await using scene = createScene({ name: 'postgres-read-only', url: server.url, publishTimeoutMs: 1_500 })
      await scene.join()
      scene.load()
      await scene.progress()
      await readOnly(server.url, 'on')
      await scene.failure()
      await readOnly(server.url, 'off')
      await scene.progress()
      const { violations, counts } = await scene.finish()
      expect(violations).toEqual([])
      expect(counts.rejected + counts.unknown).toBeGreaterThan(0)
      expect(failuresOf(scene)).not.toContain('internal')
    },
  )

  it.skipIf(!hasPooler)(
    'stands behind pgbouncer in transaction mode, which is killed and comes back',
    { timeout: 360_000, concurrent: true },
    async () => {
      await using server = await POSTGRES.start()
      await using pooler = await startPgbouncer(server)
      await using scene = createScene({ name: 'postgres-pgbouncer', url: server.url })
      await scene.join(pooler.url)
      await scene.join(pooler.url)
      scene.load()
      await scene.progress()
      await pooler.kill()
      await pooler.restart()
      await scene.progress()
      expect((await scene.finish()).violations).toEqual([])
    },
  )
})

async function readOnly(url: string, state: 'on' | 'off'): Promise<void> {
  // The session that takes it back must be able to write.
  const writing = `${url}?options=-c%20default_transaction_read_only%3Doff`
  for (const sql of [`ALTER SYSTEM SET default_transaction_read_only = ${state}`, 'SELECT pg_reload_conf()']) {
    await psql(writing, sql)
  }
}
