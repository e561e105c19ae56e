import { taskStoresOf } from '@millrace/core/testing'
import { drizzle } from 'drizzle-orm/node-postgres'
import { sql as drizzleSql } from 'drizzle-orm'
import { Kysely, PostgresDialect, sql } from 'kysely'
import { Pool } from 'pg'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { openDriver } from './driver.ts'
import { claimOf, newTask } from './new-tasks.ts'
import { prismaClient } from './prisma-client.ts'
import { numbersOf, start, type Started, StepTaken } from './started.ts'
import { hasPostgres, testServer } from './test-server.ts'
import { until } from './until.ts'

/** Runs work in a transaction of a library; `mark` writes through it. Rolls back when the work throws. */
type InTransaction = (work: (tx: object, mark: (mark: string) => Promise<unknown>) => Promise<void>) => Promise<unknown>

/** Each library as its users would use it. */
const LIBRARIES: Readonly<Record<string, (started: Started) => Promise<InTransaction>>> = {
  async 'a client of pg'({ connect, schema }) {
    const client = await connect()
    return async (work) => {
      await client.query('BEGIN')
      try {
        await work(client, (mark) => client.query(`INSERT INTO ${schema}.marks (mark) VALUES ($1)`, [mark]))
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      }
    }
  },
  async 'a client of a pool'({ url, schema }) {
    const pool = poolOf(url)
    return async (work) => {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        await work(client, (mark) => client.query(`INSERT INTO ${schema}.marks (mark) VALUES ($1)`, [mark]))
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      } finally {
        client.release()
      }
    }
  },
  async Kysely({ url, schema }) {
    const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: poolOf(url) }) })
    return (work) =>
      db
        .transaction()
        .execute((trx) =>
          work(trx, (mark) => sql`INSERT INTO ${sql.table(`${schema}.marks`)} (mark) VALUES (${mark})`.execute(trx)),
        )
  },
  async Drizzle({ url, schema }) {
    const db = drizzle(poolOf(url))
    const table = drizzleSql.raw(`${schema}.marks`)
    return (work) =>
      db.transaction((tx) => work(tx, (mark) => tx.execute(drizzleSql`INSERT INTO ${table} (mark) VALUES (${mark})`)))
  },
  async Prisma({ url, schema }) {
    const prisma = prismaClient(url)
    onTestFinished(() => prisma.$disconnect())
    return (work) =>
      prisma.$transaction((tx) =>
        work(tx, (mark) => tx.$executeRawUnsafe(`INSERT INTO ${schema}.marks (mark) VALUES ($1)`, mark)),
      )
  },
}

function poolOf(connectionString: string): Pool {
  const pool = new Pool({ connectionString, max: 2 })
  pool.on('error', () => undefined)
  onTestFinished(() => pool.end())
  return pool
}

describe.skipIf(!hasPostgres)('a publish joins the transaction of', () => {
  afterAll(async () => (await testServer()).stop())

  test.for(Object.entries(LIBRARIES))('%s', async ([, open]) => {
    const started = await start()
    const { millrace, marks } = started
    const transaction = await open(started)
    await transaction(async (tx, mark) => {
      await mark('kept')
      await millrace.publish(StepTaken, { key: 'k', number: 1 }, { tx })
      const odd = [2, 3].map((number) => millrace.create(StepTaken, { key: `'"$1\\ é`, number }))
      await millrace.publishBatch(odd, { tx })
    })
    const undone = transaction(async (tx, mark) => {
      await mark('undone')
      await millrace.publish(StepTaken, { key: 'k', number: 9 }, { tx })
      throw new Error('as planned')
    })
    await expect(undone).rejects.toThrow('as planned')
    await transaction((tx) => millrace.publish(StepTaken, { key: 'k', number: 4 }, { tx }).then(() => undefined))
    await until(async () => (await numbersOf(millrace))['k']?.length === 2)
    expect(await numbersOf(millrace)).toEqual({ k: [1, 4], [`'"$1\\ é`]: [2, 3] })
    expect(await marks()).toEqual(['kept'])
    expect(await millrace.outbox.status()).toMatchObject({ waiting: 0, failing: 0 })
  })

  test.for(Object.entries(LIBRARIES))('%s, and so do tasks', async ([, open]) => {
    const started = await start()
    const { driver } = await openDriver({ url: started.url, schema: started.schema })
    const { tasks } = taskStoresOf(driver)
    const append = tasks.append ?? (() => Promise.reject(new Error('PostgreSQL joins transactions.')))
    const transaction = await open(started)
    const dedupe = { key: `'"$1\\ é`, mode: 'keep', until: 'end', windowMs: undefined } as const
    const kept = newTask({ body: `{"input":"'$1\\\\ é"}`, dedupe })
    await transaction(async (tx, mark) => {
      await mark('kept')
      expect(await append(tx, [kept, newTask({ dedupe })])).toEqual([
        { outcome: 'stored', id: kept.id },
        { outcome: 'duplicate', id: kept.id },
      ])
      expect(await tasks.get([kept.id])).toEqual([])
    })
    const undone = transaction(async (tx) => {
      await append(tx, [newTask()])
      throw new Error('as planned')
    })
    await expect(undone).rejects.toThrow('as planned')
    const { claimed } = await tasks.exchange({ worker: 'w', settles: [], notes: [], claims: [claimOf(10)] })
    expect(claimed[0]?.tasks.map(({ id, body }) => ({ id, body }))).toEqual([{ id: kept.id, body: kept.body }])
  })

  test('none of these is refused with what to pass instead', async () => {
    const { millrace, url, connect } = await start()
    const refused = async (tx: object, text: RegExp): Promise<void> => {
      const published = millrace.publish(StepTaken, { key: 'k', number: 1 }, { tx })
      await expect(published).rejects.toMatchObject({
        code: 'transaction_invalid',
        message: expect.stringMatching(text) as string,
      })
    }
    const prisma = prismaClient(url)
    onTestFinished(() => prisma.$disconnect())
    const client = await connect()
    await refused({}, /a client of pg, or a transaction of Kysely/)
    await refused(client, /no transaction is open/)
    await refused(poolOf(url), /it is a pool/)
    await refused(
      new Kysely<unknown>({ dialect: new PostgresDialect({ pool: poolOf(url) }) }),
      /Kysely handle is no tr/,
    )
    await refused(drizzle(poolOf(url)), /Drizzle handle is no transaction/)
    await refused(prisma, /Prisma client is no transaction/)
    await client.query('BEGIN')
    await client.query('SELECT 1 / 0').catch(() => undefined)
    await refused(client, /failed already/)
    await client.query('ROLLBACK')
    await client.query('CREATE DATABASE elsewhere')
    const elsewhere = new URL(url)
    elsewhere.pathname = '/elsewhere'
    const stranger = poolOf(elsewhere.href)
    const other = await stranger.connect()
    await other.query('BEGIN')
    await refused(other, /without the schema of this engine/)
    other.release(true)
    expect(await numbersOf(millrace)).toEqual({})
  })
})
