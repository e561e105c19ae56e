import { type PoolClient } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { startChild } from './child.ts'
import { start, StepTaken } from './started.ts'
import { ask, hasPostgres, testServer } from './test-server.ts'
import { until } from './until.ts'

/** Where the workers die, in turn; what they have in hand then is taken over by the next. */
const DEATHS = ['in-handler:5', 'before-commit:8', 'after-commit:8', 'after-commit:21']

describe.skipIf(!hasPostgres)('the inbox of PostgreSQL', () => {
  afterAll(async () => (await testServer()).stop())

  test(
    'the effects of workers that are killed at the worst moments are there exactly once',
    { timeout: 360_000 },
    async () => {
      const { millrace, url, schema, marks } = await start()
      await ask(url, `CREATE TABLE ${schema}.total (n integer); INSERT INTO ${schema}.total VALUES (0)`)
      const events = Array.from({ length: 100 }, (_, number) =>
        millrace.create(StepTaken, { key: `k${number % 12}`, number }),
      )
      await millrace.publishBatch(events)
      for (const point of DEATHS) {
        const worker = startChild('inbox-worker.ts', [url, schema, point])
        expect(await worker.ended, `the worker dies ${point}`).toBe('SIGKILL')
      }
      expect((await marks()).length).toBeLessThan(events.length)
      startChild('inbox-worker.ts', [url, schema])
      await until(async () => (await marks()).length >= events.length)
      await until(async () => (await millrace.groups()).every(({ lag, lane }) => lag === 0 && lane.waiting === 0))
      const numbers = (await marks()).map(Number)
      expect(numbers.toSorted((a, b) => a - b)).toEqual(events.map((_, number) => number))
      expect(await ask(url, `SELECT n FROM ${schema}.total`)).toEqual([{ n: events.length }])
      expect(await millrace.deadLetters.list()).toEqual([])
    },
  )

  test('a worker that is stopped past its lease and goes on applies nothing', async () => {
    const { millrace, url, schema, marks } = await start()
    await ask(url, `CREATE TABLE ${schema}.total (n integer); INSERT INTO ${schema}.total VALUES (0)`)
    await ask(
      url,
      `CREATE FUNCTION ${schema}.slow() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$`,
    )
    const worker = startChild('inbox-worker.ts', [url, schema])
    await worker.ready
    await ask(
      url,
      `CREATE TRIGGER slow BEFORE INSERT ON ${schema}.marks FOR EACH ROW EXECUTE FUNCTION ${schema}.slow()`,
    )
    await millrace.publish(StepTaken, { key: 'k', number: 1 })
    await until(async () => (await ask(url, WORKING)).length > 0)
    worker.process.kill('SIGSTOP')
    startChild('inbox-worker.ts', [url, schema])
    await until(async () => (await marks()).length === 1)
    worker.process.kill('SIGCONT')
    await until(async () => (await millrace.groups()).every(({ lag, members }) => lag === 0 && members.length === 2))
    await until(async () => (await ask(url, OPEN)).length === 0)
    expect(await marks()).toEqual(['1'])
    expect(await ask(url, `SELECT n FROM ${schema}.total`)).toEqual([{ n: 1 }])
  })

  test('a handler reads and writes through the client of its transaction', async () => {
    const { millrace, schema, marks } = await start()
    await millrace.subscribe(
      StepTaken,
      async ({ data }, { tx }) => {
        const client = tx.client as PoolClient
        const { rows } = await client.query<{ n: string }>(`SELECT count(*) AS n FROM ${schema}.marks`)
        await client.query(`INSERT INTO ${schema}.marks (mark) VALUES ($1)`, [`${data.number} after ${rows[0]?.n}`])
      },
      { group: 'g', from: 'earliest', inbox: true },
    )
    for (const number of [1, 2]) await millrace.publish(StepTaken, { key: 'k', number })
    await until(async () => (await marks()).length === 2)
    expect(await marks()).toEqual(['1 after 0', '2 after 1'])
  })

  test.each([
    ['ROLLBACK', []],
    ['COMMIT', ['1']],
    ['ROLLBACK; BEGIN', []],
  ])('a handler that ends its transaction with %s fails, and is not taken for applied', async (end, left) => {
    const { millrace, schema, marks } = await start()
    await millrace.subscribe(
      StepTaken,
      async ({ data }, { tx }) => {
        const client = tx.client as PoolClient
        await client.query(`INSERT INTO ${schema}.marks (mark) VALUES ($1)`, [String(data.number)])
        await client.query(end)
      },
      { group: 'g', from: 'earliest', inbox: true, retry: { attempts: 1 } },
    )
    await millrace.publish(StepTaken, { key: 'k', number: 1 })
    await until(async () => (await millrace.deadLetters.list({ group: 'g' })).length === 1)
    const [letter] = await millrace.deadLetters.list({ group: 'g' })
    expect(letter?.error.code).toBe('transaction_invalid')
    expect(await marks()).toEqual(left)
  })
})

const WORKING = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
const OPEN =
  "SELECT 1 FROM pg_stat_activity WHERE application_name = 'millrace inbox' AND state LIKE 'idle in transaction%'"
