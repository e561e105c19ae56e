import { isMillraceError, type MillraceError } from '@millrace/core/driver'
import { startPostgres, startPostgresPair } from 'engines'
import { Client, Pool } from 'pg'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { durabilityOf, probeServer } from '../src/database/probe.ts'
import { postgres, postgresFromUrl, type PostgresOptions } from '../src/index.ts'
import { loggingRuntime, openDriver } from './driver.ts'
import { ask, freshSchema, hasPostgres, testServer } from './test-server.ts'

async function refused(options: PostgresOptions): Promise<MillraceError> {
  const driver = postgres({ connectTimeoutMs: 20_000, ...options }).open(loggingRuntime())
  onTestFinished(() => driver.transport.close())
  const error: unknown = await driver.transport.connect().then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isMillraceError(error)) throw new Error('It was not refused.', { cause: error })
  return error
}

describe.skipIf(!hasPostgres)('what a server refuses is one clear error', () => {
  afterAll(async () => (await testServer()).stop())

  test('a wrong password, which is in no message', async () => {
    const url = new URL((await testServer()).url)
    url.password = 'not-the-secret'
    const error = await refused({ url: url.href })
    expect(error.code).toBe('engine_permission')
    expect(error.message).toMatch(/password.*Check the user/s)
    expect(JSON.stringify([error.message, error.facts, String(error.cause)])).not.toContain('not-the-secret')
  })

  test('a missing database', async () => {
    const url = new URL((await testServer()).url)
    url.pathname = '/nowhere'
    const error = await refused({ url: url.href })
    expect(error).toMatchObject({
      code: 'engine_unreachable',
      message: expect.stringMatching(/nowhere.*CREATE DATABASE/s),
    })
  })

  test('nobody at the port, after trying for a while', async () => {
    const error = await refused({ url: 'postgres://user:not-the-secret@127.0.0.1:1/db', connectTimeoutMs: 500 })
    expect(error).toMatchObject({ code: 'engine_unreachable', retriable: true })
    expect(error.message).toMatch(/127\.0\.0\.1:1.*Check that it runs/s)
    expect(error.message).not.toContain('not-the-secret')
  })

  test('a role whose transactions would not see what came before them', async () => {
    const { url } = await testServer()
    await ask(url, "DROP ROLE IF EXISTS strict; CREATE ROLE strict LOGIN SUPERUSER PASSWORD 'x'")
    await ask(url, "ALTER ROLE strict SET default_transaction_isolation = 'repeatable read'")
    const own = new URL(url)
    own.username = 'strict'
    own.password = 'x'
    expect(await refused({ url: own.href, schema: freshSchema() })).toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/repeatable read.*default_transaction_isolation/s),
    })
  })

  test('a role without rights is told who should migrate', async () => {
    const { url } = await testServer()
    await ask(url, "DROP ROLE IF EXISTS nobody; CREATE ROLE nobody LOGIN PASSWORD 'x'")
    const own = new URL(url)
    own.username = 'nobody'
    own.password = 'x'
    expect(await refused({ url: own.href, schema: freshSchema() })).toMatchObject({
      code: 'engine_permission',
      message: expect.stringMatching(/Migrate once with the owner's role/),
    })
    expect(await refused({ url: own.href, schema: freshSchema(), migrate: 'check' })).toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/Start once with the owner's role/),
    })
  })

  test('no connection is left', async () => {
    await using server = await startPostgres({
      own: true,
      settings: { max_connections: '5', superuser_reserved_connections: '0', max_wal_senders: '0' },
    })
    const holders = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const client = new Client({ connectionString: server.url })
        client.on('error', () => undefined)
        await client.connect()
        return client
      }),
    )
    const error = await refused({ url: server.url, connectTimeoutMs: 2_000 })
    expect(error).toMatchObject({ code: 'engine_busy', retriable: true })
    expect(error.message).toMatch(/max_connections/)
    await Promise.all(holders.map((client) => client.end()))
    const { driver } = await openDriver({ url: server.url, maxConnections: 2 })
    expect((await driver.transport.list()).topics).toEqual([])
  })

  test('a read-only standby', async () => {
    await using pair = await startPostgresPair()
    expect(await refused({ url: pair.standby.url })).toMatchObject({
      code: 'engine_read_only',
      message: expect.stringMatching(/connect to the primary/),
    })
  })

  test('a server that is too old', async () => {
    const old = { version: '13.4', number: '130004', standby: false, readonly: 'off' }
    const asking = { first: async () => old } as unknown as Parameters<typeof probeServer>[0]
    await expect(probeServer(asking, 'postgres://here')).rejects.toMatchObject({
      code: 'engine_version',
      message: expect.stringMatching(/13\.4.*14 is the oldest/s),
    })
  })

  test('a newer schema is used for as long as nothing in it breaks this release', async () => {
    const { url, schema } = await openDriver()
    await ask(url, `UPDATE ${schema}.schema_version SET version = 99`)
    await openDriver({ schema })
    await ask(url, `UPDATE ${schema}.schema_version SET readable_by = 98`)
    expect(await refused({ url, schema })).toMatchObject({
      code: 'engine_schema_newer',
      message: expect.stringMatching(/version 99.*Install the newer Millrace/s),
    })
  })

  test('a schema that somebody else has changed', async () => {
    const { driver, url, schema } = await openDriver()
    await driver.transport.ensureTopic('t', { partitions: 1 })
    await ask(url, `ALTER TABLE ${schema}.topics RENAME COLUMN retention TO elsewhere`)
    await expect(driver.transport.list()).rejects.toMatchObject({ code: 'engine_corrupt' })
  })
})

test('levels of durability follow the settings', () => {
  const safe = { fsync: true, fullPageWrites: true, synchronousCommit: 'on', standbyNames: '' }
  expect(durabilityOf(safe)).toBe('fsync')
  expect(durabilityOf({ ...safe, synchronousCommit: 'off' })).toBe('memory')
  expect(durabilityOf({ ...safe, fsync: false })).toBe('os-cache')
  expect(durabilityOf({ ...safe, fullPageWrites: false })).toBe('os-cache')
  expect(durabilityOf({ ...safe, standbyNames: 'a' })).toBe('quorum-fsync')
  expect(durabilityOf({ ...safe, standbyNames: 'a', synchronousCommit: 'local' })).toBe('fsync')
})

test('options and URLs are checked, without a word of the URL', () => {
  const codeOf = (make: () => unknown): unknown => {
    try {
      make()
      return undefined
    } catch (error) {
      expect(String(error)).not.toContain('secret')
      return isMillraceError(error) ? error.code : error
    }
  }
  const url = 'postgres://user:secret@host/db'
  expect(codeOf(() => postgres({ url, schema: 'Has"Quote' }))).toBe('config_invalid')
  expect(codeOf(() => postgres({ url, schema: 'pg_own' }))).toBe('config_invalid')
  expect(codeOf(() => postgres({ url, maxConnections: 1 }))).toBe('config_invalid')
  expect(codeOf(() => postgres({ url, poolSize: 3 } as never))).toBe('engine_option_unknown')
  expect(codeOf(() => postgres('mysql://user:secret@host/db'))).toBe('engine_url_invalid')
  expect(codeOf(() => postgres('postgres://user:sec ret@ho st/db'))).toBe('engine_url_invalid')
  expect(codeOf(() => postgres({ url, pool: new Pool() }))).toBe('config_invalid')
  expect(codeOf(() => postgresFromUrl(`${url}?shema=x`))).toBe('engine_option_unknown')
  expect(codeOf(() => postgresFromUrl('postgres://user:half?of-secret@host/db'))).toBe('engine_url_invalid')
  expect(codeOf(() => postgresFromUrl(`${url}?pollEveryMs=soon`))).toBe('engine_url_invalid')
  expect(codeOf(() => postgres(`${url}?shema=x`))).toBe('engine_option_unknown')
  expect(codeOf(() => postgres({ url: `${url}?shema=x` }))).toBe('engine_option_unknown')
  expect(codeOf(() => postgres(undefined as never))).toBe('config_invalid')
  expect(postgres(`${url}?schema=other&channel_binding=require`).name).toBe('postgres://host/db?schema=other')
  expect(postgres({ url: `${url}?schema=other`, schema: 'mine' }).name).toBe('postgres://host/db?schema=mine')
  const engine = postgresFromUrl(`${url}?schema=other&pollEveryMs=500&sslmode=disable`)
  expect(engine.name).toBe('postgres://host/db?schema=other')
})
