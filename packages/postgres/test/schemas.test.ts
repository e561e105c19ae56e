import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { Pool } from 'pg'
import { openPool } from '../src/database/client.ts'
import { createDatabase } from '../src/database/database.ts'
import { migrate } from '../src/database/migrate.ts'
import { postgres, workerRights } from '../src/index.ts'
import { MIGRATIONS } from '../src/migrations/migrations.ts'
import { encodeName } from '../src/name-codec.ts'
import { settingsOf } from '../src/settings.ts'
import { loggingRuntime, openDriver, recordOf, recordsOf } from './driver.ts'
import { ask, freshSchema, hasPostgres, testServer } from './test-server.ts'
import { until } from './until.ts'

describe.skipIf(!hasPostgres)('schemas, roles and migrations', () => {
  afterAll(async () => (await testServer()).stop())

  test('two schemas of one database know nothing of each other', async () => {
    const one = await openDriver()
    const other = await openDriver()
    await one.driver.transport.ensureTopic('t', { partitions: 1 })
    await one.driver.transport.publish([recordOf('t')])
    expect((await other.driver.transport.list()).topics).toEqual([])
    await other.driver.transport.ensureTopic('t', { partitions: 2 })
    expect(await other.driver.transport.read({ topic: 't', limit: 10 })).toEqual([])
  })

  test('a role with the rights of a worker does all the work and can change no table', async () => {
    const { url, schema } = await openDriver({ retentionEveryMs: 20, segmentEvents: 10 })
    await ask(url, `DROP ROLE IF EXISTS ${schema}_worker; CREATE ROLE ${schema}_worker LOGIN PASSWORD 'w'`)
    await ask(url, workerRights(schema, `${schema}_worker`))
    const own = new URL(url)
    own.username = `${schema}_worker`
    own.password = 'w'
    const worker = await openDriver({
      url: own.href,
      schema,
      migrate: 'check',
      retentionEveryMs: 20,
      segmentEvents: 10,
    })
    const { transport, stores } = worker.driver
    await transport.ensureTopic('t', { partitions: 1, retention: { maxEvents: 5 } })
    await transport.ensureGroup('g', ['t'], 'earliest')
    await stores.leases.join(
      { member: 'm', group: 'g', label: 'm', filterEpoch: 0 },
      { everyMs: 1_000, aliveWithinMs: 60_000, alive: new Int32Array(new SharedArrayBuffer(4)) },
    )
    const [lease] = (await stores.leases.observe('g')).partitions
    const claimed = await stores.leases.claim({
      group: 'g',
      topic: 't',
      partition: 0,
      member: 'm',
      expectedOwner: undefined,
      expectedToken: lease?.token ?? 0,
    })
    expect(claimed).toBeDefined()
    await transport.remove({ group: 'g' })
    for (let round = 0; round < 4; round += 1) await transport.publish(recordsOf('t', 12))
    await expect
      .poll(async () => (await ask(url, `SELECT count(*)::int AS n FROM ${schema}.segments`))[0]?.['n'])
      .toBeLessThan(3)
    await transport.remove({ topic: 't' })
    await expect(ask(own.href, `DROP TABLE ${schema}.events`)).rejects.toThrow(/owner/)
    await expect(ask(own.href, `CREATE TABLE ${schema}.mine (n int)`)).rejects.toThrow(/permission denied/)
    await expect(ask(own.href, `UPDATE ${schema}.schema_version SET version = 0`)).rejects.toThrow(/permission denied/)
    await worker.driver.transport.close()
    await ask(url, `DROP OWNED BY ${schema}_worker; DROP ROLE ${schema}_worker`)
  })

  test('a worker goes on while the schema is migrated past it', async () => {
    const { driver, url, schema } = await openDriver()
    const { transport } = driver
    await transport.ensureTopic('t', { partitions: 2 })
    const settings = settingsOf({ url, schema })
    const database = createDatabase(settings, await openPool(settings, {}), loggingRuntime())
    onTestFinished(() => database.close())
    const next = [
      ...MIGRATIONS,
      {
        sql: `CREATE TABLE $S.something_new (n integer); ALTER TABLE $S.topics ADD COLUMN later text NOT NULL DEFAULT 'x'`,
      },
    ]
    let publishing = true
    const outcomes: string[] = []
    const traffic = (async () => {
      while (publishing)
        for (const { outcome } of await transport.publish(recordsOf('t', 20, 2))) outcomes.push(outcome)
    })()
    await Promise.all([migrate(database, 'auto', next), migrate(database, 'auto', next)])
    await transport.ensureTopic('after', { partitions: 1 })
    const stored = await transport.publish([recordOf('after')])
    publishing = false
    await traffic
    expect(stored.map(({ outcome }) => outcome)).toEqual(['stored'])
    expect(new Set(outcomes)).toEqual(new Set(['stored']))
    expect((await ask(url, `SELECT version FROM ${schema}.schema_version`))[0]?.['version']).toBe(next.length)
    await openDriver({ schema })
  })

  test('what was published before a change of the schema is known after it', async () => {
    const { url } = await testServer()
    const schema = freshSchema()
    const settings = settingsOf({ url, schema })
    const database = createDatabase(settings, await openPool(settings, {}), loggingRuntime())
    onTestFinished(() => database.close())
    await migrate(database, 'auto', MIGRATIONS.slice(0, 18))
    await database.run('SELECT $S.create_topic_1($1, 1)', 't')
    const { id, source, type, body } = recordOf('t')
    const published = [id, encodeName(source), type, body]
    await database.run(`SELECT $S.publish_one_1('t', 0, 0, $1, $2, $3, NULL, NULL, $4, '{}', '{}', '{}')`, ...published)
    const { driver } = await openDriver({ schema })
    const again = { ...recordOf('t'), id, source, type, body }
    expect(await driver.transport.publish([again])).toMatchObject([
      { outcome: 'duplicate', position: '0000000000000001' },
    ])
    expect(await driver.transport.publish([recordOf('t')])).toMatchObject([{ outcome: 'stored' }])
  })

  test('many that start at once migrate once', async () => {
    const schema = freshSchema()
    const { url } = await testServer()
    const drivers = Array.from({ length: 6 }, () => postgres({ url, schema, maxConnections: 2 }).open(loggingRuntime()))
    onTestFinished(async () => {
      await Promise.all(drivers.map(({ transport }) => transport.close()))
      await ask(url, `DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    })
    await Promise.all(drivers.map(({ transport }) => transport.connect()))
    expect((await ask(url, `SELECT version FROM ${schema}.schema_version`))[0]?.['version']).toBe(MIGRATIONS.length)
  })

  test('a pool whose password is apart from a URL is heard of notifications too', async () => {
    const { hostname, port, username, password, pathname } = new URL((await testServer()).url)
    const pool = new Pool({
      host: hostname,
      port: Number(port),
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      database: pathname.slice(1),
      max: 4,
    })
    onTestFinished(() => pool.end())
    const { driver } = await openDriver({ pool })
    await driver.transport.ensureTopic('t', { partitions: 1 })
    const signal = new AbortController()
    const waiting = driver.transport.read({ topic: 't', limit: 1, waitMs: 60_000, signal: signal.signal })
    await until(async () =>
      (await driver.diagnose()).some(({ check, level }) => check === 'notifications' && level === 'fine'),
    )
    signal.abort()
    await waiting
  })

  test('a pool of the application is used and left open', async () => {
    const { url } = await testServer()
    const pool = new Pool({ connectionString: url, max: 4 })
    onTestFinished(() => pool.end())
    const { driver, schema } = await openDriver({ pool })
    await driver.transport.ensureTopic('t', { partitions: 1 })
    expect(await driver.transport.publish([recordOf('t')])).toMatchObject([{ outcome: 'stored' }])
    await driver.transport.close()
    expect((await pool.query(`SELECT count(*)::int AS n FROM ${schema}.events`)).rows).toEqual([{ n: 1 }])
  })

  test('a search path that leads elsewhere changes nothing', async () => {
    const { url } = await testServer()
    const elsewhere = new URL(url)
    elsewhere.searchParams.set('options', '-c search_path=pg_temp')
    const schema = freshSchema()
    onTestFinished(async () => void (await ask(url, `DROP SCHEMA IF EXISTS ${schema} CASCADE`)))
    const { driver } = await openDriver({ url: elsewhere.href, schema })
    await driver.transport.ensureTopic('t', { partitions: 1 })
    expect(await driver.transport.publish([recordOf('t')])).toMatchObject([{ outcome: 'stored' }])
    expect(await driver.transport.read({ topic: 't', limit: 5 })).toHaveLength(1)
  })
})
