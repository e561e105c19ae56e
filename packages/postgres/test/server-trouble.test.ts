import type { Driver } from '@millrace/core/driver'
import { newTask, taskStoresOf } from '@millrace/core/testing'
import { available, startFaultProxy, startPgbouncer, startPostgres } from 'engines'
import { afterAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { openPool } from '../src/database/client.ts'
import { createDatabase } from '../src/database/database.ts'
import { settingsOf } from '../src/settings.ts'
import { loggingRuntime, openDriver, recordOf, recordsOf, type Said } from './driver.ts'
import { ask, freshSchema, hasPostgres, testServer } from './test-server.ts'

describe.skipIf(!hasPostgres)('a server in trouble', () => {
  beforeEach(() => void vi.stubEnv('MILLRACE_TEST_POSTGRES_URL', ''))
  afterAll(async () => (await testServer()).stop())

  test(
    'killed and restarted in the middle of publishes: what was stored is there, once, and in order',
    { timeout: 360_000 },
    async () => {
      await using server = await startPostgres({ own: true })
      const said: Said = { lines: [] }
      const { driver } = await openDriver({ url: server.url, schema: 'millrace', connectTimeoutMs: 20_000 }, said)
      const { transport } = driver
      await transport.ensureTopic('t', { partitions: 2 })
      await transport.ensureGroup('g', ['t'], 'earliest')
      const consumer = transport.consume({
        topic: 't',
        group: 'g',
        partitions: [0, 1].map((partition) => ({ partition, token: 0, after: undefined })),
      })
      const stored: string[] = []
      let rounds = 0
      let going = true
      const publishing = (async () => {
        let open = recordsOf('t', 20, 2)
        while (going || open.length > 0) {
          const outcomes = await transport.publish(open)
          rounds += 1
          const again = open.filter((_, at) => outcomes[at]?.outcome === 'unknown')
          for (const [at, { id }] of open.entries()) {
            const outcome = outcomes[at]?.outcome
            if (outcome === 'stored' || outcome === 'duplicate') stored.push(id)
          }
          open = again.length > 0 ? again : going ? recordsOf('t', 20, 2) : []
        }
      })()
      for (let kills = 0; kills < 3; kills += 1) {
        const seen = rounds
        await expect.poll(() => rounds).toBeGreaterThan(seen + 5)
        await server.kill()
        await server.restart()
      }
      const seen = rounds
      await expect.poll(() => rounds).toBeGreaterThan(seen + 5)
      going = false
      await publishing
      const read = await transport.read({ topic: 't', limit: 10_000 })
      const ids = read.map(({ id }) => id)
      expect(ids.toSorted()).toEqual([...new Set(ids)].toSorted())
      expect(new Set(ids)).toEqual(new Set(stored))
      const fetched: string[] = []
      while (fetched.length < ids.length) {
        fetched.push(...(await consumer.fetch({ max: 500 }).catch(() => [])).map(({ id }) => id))
      }
      expect(fetched.toSorted()).toEqual(ids.toSorted())
      // One line when it went and one when it was back, for each time that it was noticed.
      expect(said.lines.length).toBeLessThan(20)
    },
  )

  test.each(['reset-reply', 'swallow-reply'] as const)(
    'a publish whose answer is lost (%s) is unknown, and the same id is stored once',
    async (does) => {
      const { url } = await testServer()
      await using proxy = await startFaultProxy(url)
      const driver = await openBehind(proxy.url, url)
      const { transport } = driver
      await transport.ensureTopic('t', { partitions: 1 })
      const record = recordOf('t')
      proxy.strike({ at: 'publish_one_2', does })
      const [outcome] = await transport.publish([record])
      expect(outcome).toMatchObject({ outcome: 'unknown', error: { code: 'engine_unreachable' } })
      await proxy.heal()
      const [again] = await transport.publish([record])
      // What the server has begun it also ends, though nobody listens; where it ends after the second, the first is the duplicate.
      expect(['stored', 'duplicate']).toContain(again?.outcome)
      const ids = (await transport.read({ topic: 't', limit: 10 })).map(({ id }) => id)
      expect(ids).toEqual([record.id])
    },
  )

  test.each(['reset-reply', 'swallow-reply'] as const)(
    'whether a task was added is unknown when the answer is lost (%s), and the same id is added once',
    async (does) => {
      const { url } = await testServer()
      await using proxy = await startFaultProxy(url)
      const driver = await openBehind(proxy.url, url)
      const { tasks, taskAdmin } = taskStoresOf(driver)
      const added = [newTask({ id: 'once' })]
      proxy.strike({ at: 'enqueue_1', does })
      await expect(tasks.enqueue(added)).rejects.toMatchObject({ code: 'publish_unknown', retriable: true })
      await proxy.heal()
      expect(await tasks.enqueue(added)).toEqual([{ outcome: 'stored', id: 'once' }])
      expect((await taskAdmin.list({ limit: 10 })).map(({ id }) => id)).toEqual(['once'])
    },
  )

  test('a lock that is held too long rejects the publish, which is certainly not stored', async () => {
    const { driver, url, schema } = await openDriver({ statementTimeoutMs: 2_000 })
    await driver.transport.ensureTopic('t', { partitions: 1 })
    const { Client } = await import('pg')
    const holder = new Client({ connectionString: url })
    await holder.connect()
    onTestFinished(() => holder.end())
    await holder.query(`BEGIN; SELECT 1 FROM ${schema}.topics FOR UPDATE`)
    const [outcome] = await driver.transport.publish([recordOf('t')])
    expect(outcome).toMatchObject({ outcome: 'rejected', error: { code: 'engine_busy', retriable: true } })
    await holder.query('ROLLBACK')
    expect(await driver.transport.publish([recordOf('t')])).toMatchObject([{ outcome: 'stored' }])
    expect(await driver.transport.read({ topic: 't', limit: 9 })).toHaveLength(1)
  })

  test('sessions that the server ends are replaced, and a waiting fetch goes on', async () => {
    const { driver, url, schema } = await openDriver()
    const { transport } = driver
    await transport.ensureTopic('t', { partitions: 1 })
    const consumer = transport.consume({
      topic: 't',
      group: 'g',
      partitions: [{ partition: 0, token: 0, after: undefined }],
    })
    const fetching = consumer.fetch({ max: 5 })
    // A look that is cut off in the server rejects; this is about one that has looked, found nothing and waits.
    const looked = `SELECT pid FROM pg_stat_activity WHERE state = 'idle' AND query LIKE '%${schema}%fetch_1%'`
    await expect.poll(() => ask(url, looked)).not.toHaveLength(0)
    await ask(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace'")
    const record = recordOf('t')
    let outcome = (await transport.publish([record]))[0]?.outcome
    while (outcome === 'unknown') outcome = (await transport.publish([record]))[0]?.outcome
    expect(outcome).toBe('stored')
    expect((await fetching).map(({ id }) => id)).toEqual([record.id])
  })

  test('a transaction that the server has ended, for it stood still itself, is a lost connection and no refusal', async () => {
    await using server = await startPostgres({ own: true })
    const settings = settingsOf({ url: server.url })
    const pool = await openPool(settings, { idle_in_transaction_session_timeout: 200 })
    const runtime = loggingRuntime()
    const database = createDatabase(settings, pool, runtime)
    onTestFinished(() => database.close())
    const ended = database.transaction(async (sql) => {
      const pid = (await sql.first<{ pid: number }>('SELECT pg_backend_pid() AS pid'))?.pid ?? 0
      process.kill(pid, 'SIGSTOP')
      const asked = sql.run('SELECT 1')
      runtime.setTimer(() => process.kill(pid, 'SIGCONT'), 600)
      return asked
    })
    await expect(ended).rejects.toMatchObject({ code: 'engine_unreachable', retriable: true })
    expect(await database.first('SELECT 1 AS one')).toEqual({ one: 1 })
  })

  test('an old open transaction is told of', async () => {
    const { driver, url } = await openDriver()
    const { Client } = await import('pg')
    const holder = new Client({ connectionString: url })
    await holder.connect()
    onTestFinished(() => holder.end())
    await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1')
    const finding = (await driver.diagnose()).find(({ check }) => check === 'oldest-writer')
    expect(finding?.text).toMatch(/\d+ s/)
  })

  test('garbage on the channel of notifications does no harm', async () => {
    const { driver, url, schema } = await openDriver()
    await driver.transport.ensureTopic('t', { partitions: 1 })
    const reading = driver.transport.read({ topic: 't', limit: 1, waitMs: 60_000 })
    for (const payload of ['', ' ', 'x'.repeat(7_000), 'no such-topic', '\u{1F3ED}'])
      await ask(url, 'SELECT pg_notify($1, $2)', [`millrace_${schema}`, payload])
    const record = recordOf('t')
    await driver.transport.publish([record])
    expect((await reading).map(({ id }) => id)).toEqual([record.id])
  })
})

describe.skipIf(!hasPostgres || !(await available('pgbouncer')))('behind pgbouncer in transaction mode', () => {
  test('everything works by polling, or by notifications that come around it', async () => {
    await using server = await startPostgres({ own: true })
    await using pooler = await startPgbouncer(server, { poolSize: 4 })
    const said: Said = { lines: [] }
    const pooled = await openDriver({ url: pooler.url, schema: 'millrace', pollEveryMs: 50 }, said)
    const { transport } = pooled.driver
    await transport.ensureTopic('t', { partitions: 2 })
    await transport.ensureGroup('g', ['t'], 'earliest')
    const direct = await openDriver({ url: server.url, schema: 'millrace' })
    const around = await openDriver({ url: pooler.url, schema: 'millrace', listen: server.url, pollEveryMs: 60_000 })
    for (const { driver } of [pooled, around]) {
      const reading = driver.transport.read({ topic: 't', type: 'test.made', limit: 1, waitMs: 60_000 })
      await direct.driver.transport.publish([recordOf('t')])
      expect(await reading).toHaveLength(1)
    }
    const both = await Promise.all([
      transport.publish(recordsOf('t', 300, 2)),
      transport.publish(recordsOf('t', 300, 2)),
    ])
    expect(both.flat().every(({ outcome }) => outcome === 'stored')).toBe(true)
    await expect.poll(() => said.lines).toContainEqual(expect.stringMatching(/notifications do not arrive/))
    const findings = await pooled.driver.diagnose()
    expect(findings.find(({ check }) => check === 'timeouts')?.level).toBe('notice')
  })
})

/** A driver behind a proxy, over a schema of its own on the server at `url`. */
async function openBehind(proxyUrl: string, url: string): Promise<Driver> {
  const schema = freshSchema()
  onTestFinished(async () => void (await ask(url, `DROP SCHEMA IF EXISTS ${schema} CASCADE`)))
  const { driver } = await openDriver({ url: proxyUrl, schema, statementTimeoutMs: 2_000, maxConnections: 3 })
  return driver
}
