import { createMillrace, defineEvent, type EventDefinition, type Millrace, type MillraceOptions } from '@millrace/core'
import { redis } from '@millrace/redis'
import { available, type EngineServer, startPostgres, startRedis } from 'engines'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { postgres } from '../src/index.ts'
import { anySchema, type Step } from './processes/step.ts'
import { until } from './until.ts'

const StepTaken: EventDefinition<'step.taken', Step, Step, 'step'> = defineEvent('step.taken', {
  schema: anySchema,
  key: ({ key }) => key,
})

const servers = await available('postgres', 'redis-server')

describe.skipIf(!servers)('a relay from PostgreSQL to Redis', { timeout: 360_000 }, () => {
  let database: EngineServer
  let broker: EngineServer
  let schemas = 0

  beforeAll(async () => {
    database = await startPostgres({ own: true })
    broker = await startRedis({ own: true, appendfsync: 'always' })
  })
  afterAll(async () => {
    await Promise.all([database.stop(), broker.stop()])
  })

  /** A backbone over a schema and a prefix of its own, with a table of marks. */
  async function start(
    withLog: boolean,
    options: Partial<MillraceOptions> = {},
  ): Promise<Millrace & { schema: string }> {
    schemas += 1
    const schema = `r${schemas}`
    const store = postgres({ url: database.url, schema })
    const transport = redis({ url: broker.url, prefix: `${schema}:` })
    const millrace = createMillrace({
      transport,
      store,
      ...(withLog ? { log: store } : {}),
      topics: { step: { partitions: 4 } },
      leaseMs: 5_000,
      onError: () => {},
      ...options,
    })
    onTestFinished(() => millrace.close({ timeoutMs: 0 }))
    await millrace.start()
    await ask(`CREATE TABLE ${schema}.marks (n serial PRIMARY KEY, mark text NOT NULL)`)
    return Object.assign(millrace, { schema })
  }

  async function ask(text: string): Promise<readonly Record<string, unknown>[]> {
    const client = await connect()
    const { rows } = await client.query<Record<string, unknown>>(text)
    return rows
  }

  async function connect(): Promise<Client> {
    const client = new Client({ connectionString: database.url })
    client.on('error', () => undefined)
    await client.connect()
    onTestFinished(() => client.end().catch(() => undefined))
    return client
  }

  /** Writes steps in transactions of a few, counted by key; one in six is rolled back. Returns the next numbers. */
  async function write(millrace: Millrace, count: number, next: number[]): Promise<void> {
    const client = await connect()
    for (let at = 0; at < count; at += 1) {
      const isKept = at % 6 !== 5
      await client.query('BEGIN')
      for (const key of [at % 5, (at + 2) % 5]) {
        const number = (next[key] ?? 0) + 1
        await millrace.publish(StepTaken, { key: `k${key}`, number }, { tx: client })
        if (isKept) next[key] = number
      }
      await client.query(isKept ? 'COMMIT' : 'ROLLBACK')
    }
  }

  /** Handles the steps and keeps what came, by key; a second delivery of the last one is no news. */
  async function follow(millrace: Millrace, via?: 'log' | 'transport'): Promise<number[][]> {
    const seen: number[][] = [[], [], [], [], []]
    await millrace.subscribe(
      StepTaken,
      ({ data }) => {
        const ofKey = seen[Number(data.key.slice(1))]
        if (ofKey?.at(-1) !== data.number) ofKey?.push(data.number)
      },
      { group: `by-${via ?? 'default'}`, from: 'earliest', ...(via === undefined ? {} : { via }) },
    )
    return seen
  }

  const upTo = (next: readonly number[]): number[][] =>
    next.map((last) => Array.from({ length: last }, (_, at) => at + 1))

  const count = (seen: readonly (readonly number[])[]): number => seen.reduce((sum, { length }) => sum + length, 0)
  const total = (next: readonly number[]): number => next.reduce((sum, last) => sum + last, 0)

  test('goes on in order when Redis dies and comes back', async () => {
    const millrace = await start(false)
    const seen = await follow(millrace)
    const next = [0, 0, 0, 0, 0]
    await write(millrace, 30, next)
    await broker.kill()
    await write(millrace, 30, next)
    expect((await millrace.outbox.status())?.waiting).toBeGreaterThan(0)
    await broker.restart()
    await write(millrace, 30, next)
    await until(() => count(seen) === total(next))
    expect(seen).toEqual(upTo(next))
    await until(async () => (await millrace.outbox.status())?.waiting === 0)
    expect(await millrace.outbox.status()).toMatchObject({ failing: 0, oldestMs: undefined })
  })

  test('goes on in order when PostgreSQL dies and comes back', async () => {
    const millrace = await start(false)
    const seen = await follow(millrace)
    const next = [0, 0, 0, 0, 0]
    await write(millrace, 40, next)
    await database.kill()
    await database.restart()
    await until(() => write(millrace, 0, next).then(() => true))
    await write(millrace, 40, next)
    await until(() => count(seen) === total(next))
    expect(seen).toEqual(upTo(next))
  })

  test('from the log of record: each group reads what it chose, and a dead Redis holds up only those who read there', async () => {
    const millrace = await start(true)
    const byLog = await follow(millrace, 'log')
    const byTransport = await follow(millrace, 'transport')
    const next = [0, 0, 0, 0, 0]
    await write(millrace, 20, next)
    await until(() => count(byTransport) === total(next))
    await broker.kill()
    await write(millrace, 20, next)
    await until(() => count(byLog) === total(next))
    expect(count(byTransport)).toBeLessThan(total(next))
    await broker.restart()
    await until(() => count(byTransport) === total(next))
    expect(byLog).toEqual(upTo(next))
    expect(byTransport).toEqual(upTo(next))
    const groups = await millrace.groups()
    expect(groups.map(({ group, via }) => `${group} ${via}`).toSorted()).toEqual([
      'by-log log',
      'by-transport undefined',
      'millrace:relay log',
    ])
  })

  test('a handler of events from Redis applies its effects in PostgreSQL once', async () => {
    const millrace = await start(false)
    const failed = new Set<number>()
    await millrace.subscribe(
      StepTaken,
      ({ data }) => {
        if (data.number % 4 === 0 && !failed.has(data.number)) {
          failed.add(data.number)
          throw new Error('as planned')
        }
        return { sql: `INSERT INTO ${millrace.schema}.marks (mark) VALUES ($1)`, values: [`${data.number}`] }
      },
      { group: 'effects', from: 'earliest', inbox: true, retry: { backoff: { first: 5 } } },
    )
    for (let number = 0; number < 20; number += 1) await millrace.publish(StepTaken, { key: 'k', number })
    const marks = async (): Promise<string[]> =>
      (await ask(`SELECT mark FROM ${millrace.schema}.marks ORDER BY n`)).map(({ mark }) => String(mark))
    await until(async () => (await marks()).length >= 20)
    expect(await marks()).toEqual(Array.from({ length: 20 }, (_, number) => `${number}`))
  })
})
