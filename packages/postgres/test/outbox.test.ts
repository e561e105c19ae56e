import { available, startPgbouncer } from 'engines'
import { Client } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { startChild } from './child.ts'
import { numbersOf, start, StepTaken } from './started.ts'
import { ask, hasPostgres, testServer } from './test-server.ts'
import { until } from './until.ts'

const hasPgbouncer = hasPostgres && (await available('pgbouncer'))

describe.skipIf(!hasPostgres)('the outbox of PostgreSQL', () => {
  afterAll(async () => (await testServer()).stop())

  test('gives the order of the commits to each key, not that of the calls', async () => {
    const { millrace, connect, url, schema } = await start({ relay: false })
    const publish = (tx: Client, key: string, number: number): Promise<unknown> =>
      millrace.publish(StepTaken, { key, number }, { tx })
    const [early, late] = [await connect(), await connect()]
    await early.query('BEGIN')
    await late.query('BEGIN')
    await publish(early, 'k', 1)
    await publish(early, 'own', 1)
    await publish(late, 'k', 2)
    await publish(early, 'k', 3)
    await late.query('COMMIT')
    await early.query('COMMIT')
    await startChild('relay.ts', [url, schema]).ready
    await until(async () => (await millrace.outbox.status())?.waiting === 0)
    expect(await numbersOf(millrace)).toEqual({ k: [2, 1, 3], own: [1] })
  })

  test('lets transactions with the same keys in other orders commit at once', async () => {
    const { millrace, connect } = await start()
    const clients = await Promise.all(Array.from({ length: 6 }, connect))
    const keys = ['a', 'b', 'c', 'd']
    for (let round = 0; round < 15; round += 1) {
      await Promise.all(
        clients.map(async (client, at) => {
          await client.query('BEGIN')
          const turned = [...keys.slice(at % 4), ...keys.slice(0, at % 4)]
          for (const key of turned) await millrace.publish(StepTaken, { key, number: round }, { tx: client })
        }),
      )
      await Promise.all(clients.map((client) => client.query('COMMIT')))
    }
    await until(async () => (await millrace.outbox.status())?.waiting === 0)
    for (const numbers of Object.values(await numbersOf(millrace))) {
      expect(numbers).toHaveLength(90)
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    }
  })

  test(
    'loses and doubles nothing while relays compete and are killed between forwarding and settling',
    { timeout: 360_000 },
    async () => {
      const { millrace, connect, url, schema } = await start({ relay: false })
      await ask(url, `CREATE TABLE ${schema}.counters (key text PRIMARY KEY, n integer NOT NULL)`)
      await ask(url, `INSERT INTO ${schema}.counters SELECT 'k' || i, 0 FROM generate_series(0, 4) i`)
      const count = async (client: Client, at: number): Promise<void> => {
        const key = `k${at % 5}`
        await client.query('BEGIN')
        const { rows } = await client.query<{ n: number }>(
          `UPDATE ${schema}.counters SET n = n + 1 WHERE key = $1 RETURNING n`,
          [key],
        )
        await millrace.publish(StepTaken, { key, number: rows[0]?.n ?? 0 }, { tx: client })
        await client.query(at % 6 === 5 ? 'ROLLBACK' : 'COMMIT')
      }
      const clients = await Promise.all(Array.from({ length: 4 }, connect))
      const write = async (from: number, to: number): Promise<void> => {
        await Promise.all(
          clients.map(async (client, lane) => {
            for (let at = from + lane; at < to; at += clients.length) await count(client, at)
          }),
        )
      }
      const first = startChild('relay.ts', [url, schema, 'before-settle:1'])
      await first.ready
      await write(0, 80)
      expect(await first.ended).toBe('SIGKILL')
      const second = startChild('relay.ts', [url, schema, 'before-publish:2'])
      await second.ready
      await Promise.race([until(async () => (await millrace.outbox.status())?.waiting === 0), second.ended])
      await write(80, 160)
      expect(await second.ended).toBe('SIGKILL')
      const rest = [startChild('relay.ts', [url, schema]), startChild('relay.ts', [url, schema])]
      await Promise.all(rest.map(({ ready }) => ready))
      await write(160, 240)
      await until(async () => (await millrace.outbox.status())?.waiting === 0)
      const counters = await ask(url, `SELECT key, n FROM ${schema}.counters`)
      const numbers = await numbersOf(millrace)
      for (const { key, n } of counters) {
        expect(numbers[String(key)]).toEqual(Array.from({ length: Number(n) }, (_, at) => at + 1))
      }
      expect(Object.values(numbers).flat()).toHaveLength(200)
    },
  )

  test('wakes the process that forwards, which is another one, without waiting for its next look', async () => {
    const { millrace, connect, url, schema } = await start({ relay: false })
    const relay = startChild('relay.ts', [url, schema])
    await relay.ready
    await until(async () => (await millrace.outbox.status())?.owner !== undefined)
    const client = await connect()
    await client.query('BEGIN')
    await millrace.publish(StepTaken, { key: 'k', number: 1 }, { tx: client })
    await client.query('COMMIT')
    await until(async () => (await numbersOf(millrace))['k']?.length === 1)
  })

  test('shows no row of a key before an earlier one', { timeout: 360_000 }, async () => {
    const { millrace, connect, url, schema } = await start({ relay: false })
    const clients = await Promise.all(Array.from({ length: 8 }, connect))
    const places: number[] = []
    const watcher = await connect()
    let isOver = false
    const watching = (async () => {
      while (!isOver) {
        const { rows } = await watcher.query<{ place: string }>(
          `DELETE FROM ${schema}.outbox WHERE place > 0 RETURNING place`,
        )
        places.push(...rows.map(({ place }) => Number(place)).toSorted((a, b) => a - b))
      }
    })()
    await Promise.all(
      clients.map(async (client) => {
        for (let number = 0; number < 60; number += 1) {
          await client.query('BEGIN')
          await millrace.publish(StepTaken, { key: 'k', number }, { tx: client })
          await client.query('COMMIT')
        }
      }),
    )
    await until(async () => (await ask(url, `SELECT 1 FROM ${schema}.outbox`)).length === 0)
    isOver = true
    await watching
    expect(places).toHaveLength(480)
    expect(places).toEqual(places.toSorted((a, b) => a - b))
  })

  test.runIf(hasPgbouncer)(
    'works through pgbouncer in transaction mode, inbox included',
    { timeout: 360_000 },
    async () => {
      await using pooler = await startPgbouncer(await testServer(), { poolSize: 8 })
      const { millrace, schema, marks } = await start({}, pooler.url)
      const client = new Client({ connectionString: pooler.url })
      await client.connect()
      await millrace.subscribe(
        StepTaken,
        ({ data }) => ({ sql: `INSERT INTO ${schema}.marks (mark) VALUES ($1)`, values: [`${data.number}`] }),
        { group: 'g', from: 'earliest', inbox: true },
      )
      for (const number of [1, 2, 3]) {
        await client.query('BEGIN')
        await millrace.publish(StepTaken, { key: 'k', number }, { tx: client })
        await client.query(number === 2 ? 'ROLLBACK' : 'COMMIT')
      }
      await until(async () => (await marks()).length === 2)
      expect(await marks()).toEqual(['1', '3'])
      await Promise.all([client.end(), millrace.close()])
    },
  )

  test('works in the transaction of a role that may use the schema and nothing else', async () => {
    const { millrace, connect, url, schema } = await start()
    await ask(url, `CREATE ROLE ${schema}_caller LOGIN; GRANT USAGE ON SCHEMA ${schema} TO ${schema}_caller`)
    const client = await connect()
    await client.query(`SET ROLE ${schema}_caller`)
    await client.query('BEGIN')
    await millrace.publish(StepTaken, { key: 'k', number: 1 }, { tx: client })
    await client.query('COMMIT')
    await until(async () => (await numbersOf(millrace))['k']?.length === 1)
    await expect(client.query(`SELECT * FROM ${schema}.outbox`)).rejects.toMatchObject({ code: '42501' })
    await client.query('RESET ROLE')
    await ask(url, `REVOKE ALL ON SCHEMA ${schema} FROM ${schema}_caller; DROP ROLE ${schema}_caller`)
  })

  test('asks few rows of a long table', async () => {
    const { url, schema } = await start({ relay: false })
    await ask(
      url,
      `INSERT INTO ${schema}.outbox (added, topic, type, source, id, key, body)
       SELECT 1, 'step', 'step.taken', '/s', 'e' || i, 'k' || i, '{}' FROM generate_series(1, 20000) i`,
    )
    const plan = JSON.stringify(
      await ask(
        url,
        `SET enable_seqscan = off; EXPLAIN (FORMAT JSON) SELECT * FROM ${schema}.outbox o
         WHERE o.place > 0 AND o.due <= 5 AND NOT EXISTS (
           SELECT 1 FROM ${schema}.outbox f WHERE f.attempts > 0 AND f.topic = o.topic AND f.key = o.key AND f.due > 5)
         ORDER BY o.place LIMIT 500`,
      ),
    )
    expect(plan).toContain('outbox_by_place')
    expect(plan).toContain('outbox_failed')
    expect(plan).not.toContain('Seq Scan')
  })
})
