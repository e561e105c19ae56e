import type { Consumer, Driver, PublishRecord, StoredRecord } from '@millrace/core/driver'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { Client } from 'pg'
import { openDriver, recordOf, recordsOf } from './driver.ts'
import { ask, hasPostgres, testServer } from './test-server.ts'
import { until } from './until.ts'

const queries = vi.spyOn(Client.prototype, 'query')

describe.skipIf(!hasPostgres)('a reader that waits at the end', () => {
  afterAll(async () => (await testServer()).stop())

  test('is brought what is published beside it, marked, and asks for nothing', async () => {
    const { driver, schema, one, other, round } = await standing()
    const looked = asked('fetch_1')
    const correlated = { key: 'k\x1f', correlationId: 'c' }
    for (let n = 0; n < 4; n += 1) {
      const record = recordOf('t', n % 2, n < 2 ? correlated : {})
      const [brought, others] = await round(record)
      const [last] = await driver.transport.read({ topic: 't', limit: 1, backwards: true })
      expect([brought, others]).toEqual([[last], [last]])
      expect(last).toMatchObject({ id: record.id, key: record.key })
      for (const consumer of [one, other]) expect(consumer.marked?.(n % 2)).toBe(last?.position)
    }
    expect(asked('fetch_1')).toBe(looked)
    const marks = `SELECT DISTINCT q.fetched_high = p.head AS all FROM ${schema}.progress q JOIN ${schema}.partitions p ON p.id = q.partition_id`
    expect(await ask((await testServer()).url, marks)).toEqual([{ all: true }])
  })

  test('is not brought what is stored already, nor anything under an old token', async () => {
    const { driver, schema, one, round } = await standing()
    const record = recordOf('t')
    await round(record)
    const { url } = await testServer()
    await ask(url, `UPDATE ${schema}.progress SET token = token + 1, fetched_high = 0`)
    const fetching = one.fetch({ max: 9, mark: true })
    expect((await driver.transport.publish([record]))[0]?.outcome).toBe('duplicate')
    const fresh = recordOf('t')
    await driver.transport.publish([fresh])
    expect(idsOf(await fetching)).toEqual([fresh.id])
    expect(await ask(url, `SELECT 1 FROM ${schema}.progress WHERE fetched_high > 0`)).toEqual([])
  })

  test('has no mark stored beyond what it has not read yet', async () => {
    const { driver, schema, one } = await standing()
    const { url } = await testServer()
    await driver.transport.publish([recordOf('t', 0)])
    const [place] = await ask(
      url,
      `SELECT q.token, q.fetched_high AS read, p.head FROM ${schema}.progress q JOIN ${schema}.partitions p ON p.id = q.partition_id
        JOIN ${schema}.groups g ON g.id = q.group_id WHERE g.name = 'g' AND p.partition = 0`,
    )
    const publish = (after: string): Promise<readonly object[]> =>
      ask(
        url,
        `SELECT ${schema}.publish_one_2('t', 0, 0, gen_random_uuid()::text, '/s', 't', NULL, NULL, '{}', '{g}', '{${String(place?.['token'])}}',
          '{${after}}') ->> 'marked' AS marked`,
      )
    expect(place?.['head']).not.toBe(place?.['read'])
    expect(await publish(String(place?.['read']))).toEqual([{ marked: null }])
    expect(await publish(String(Number(place?.['head']) + 1))).toEqual([{ marked: '[1]' }])
    expect(await one.fetch({ max: 9, mark: true })).toHaveLength(3)
  })

  test('keeps no publish waiting while somebody is at its progress, and gets the event all the same', async () => {
    const { driver, schema, one } = await standing()
    const holder = new Client({ connectionString: (await testServer()).url })
    await holder.connect()
    onTestFinished(() => holder.end())
    const fetching = one.fetch({ max: 9, mark: true })
    await holder.query(`BEGIN; SELECT 1 FROM ${schema}.progress FOR UPDATE`)
    const record = recordOf('t')
    expect(await driver.transport.publish([record])).toMatchObject([{ outcome: 'stored' }])
    await holder.query('ROLLBACK')
    expect(idsOf(await fetching)).toEqual([record.id])
  })

  test('gets nothing of a partition that rests, and has it when that is over', async () => {
    const { driver, one } = await standing()
    const fetching = one.fetch({ max: 9, mark: true, paused: new Set([0]) })
    const [resting, other] = [recordOf('t', 0), recordOf('t', 1)]
    await driver.transport.publish([resting])
    await driver.transport.publish([other])
    expect(idsOf(await fetching)).toEqual([other.id])
    expect(idsOf(await one.fetch({ max: 9, mark: true }))).toEqual([resting.id])
  })

  test('has everything once and in order, whoever publishes how many at once', async () => {
    const { driver, schema, one } = await standing()
    const { url } = await testServer()
    const elsewhere = (await openDriver({ url, schema })).driver
    const before = (await driver.transport.read({ topic: 't', limit: 1_000 })).length
    const seen: StoredRecord[] = []
    let published = 0
    let over = false
    const reading = (async () => {
      while (!over || seen.length < published) {
        const enough = new AbortController()
        const fetching = one.fetch({ max: 7, mark: true, signal: enough.signal })
        if (seen.length % 3 === 0) setImmediate(() => enough.abort())
        seen.push(...(await fetching))
      }
    })()
    for (let n = 0; n < 150; n += 1) {
      const here = n % 5 === 0 ? recordsOf('t', 10, 2) : [recordOf('t', n % 2)]
      const there = n % 4 === 0 ? [recordOf('t')] : []
      const calls = [driver.transport.publish(here), ...there.map((each) => elsewhere.transport.publish([each]))]
      await (n % 3 === 0 ? Promise.all(calls) : Promise.race(calls))
      published += here.length + there.length
    }
    over = true
    // Whoever waits for nothing any more is woken by one more.
    published += 1
    await driver.transport.publish([recordOf('t')])
    await reading
    const stored = (await driver.transport.read({ topic: 't', limit: 1_000 })).slice(before)
    for (const partition of [0, 1]) expect(idsOf(seen, partition)).toEqual(idsOf(stored, partition))
  })
})

interface Standing {
  readonly driver: Driver
  readonly schema: string
  readonly one: Consumer
  readonly other: Consumer
  /** Publishes while both wait, and gives what each has got. */
  round(record: PublishRecord): Promise<readonly (readonly StoredRecord[])[]>
}

/** Two groups that have both partitions of a topic, until neither looks any more when something is published. */
async function standing(): Promise<Standing> {
  const { driver, schema } = await openDriver({ pollEveryMs: 600_000 })
  await driver.transport.ensureTopic('t', { partitions: 2 })
  const [one, other] = [await reader(driver, 'g'), await reader(driver, 'h')]
  const round = async (record: PublishRecord): Promise<readonly (readonly StoredRecord[])[]> => {
    const fetches = [one, other].map((consumer) => consumer.fetch({ max: 9, mark: true }))
    // Time to look, for one that does.
    await driver.transport.list()
    await driver.transport.publish([record])
    return Promise.all(fetches)
  }
  await until(async () => {
    const looked = asked('fetch_1')
    await round(recordOf('t', 0))
    await round(recordOf('t', 1))
    return asked('fetch_1') === looked
  })
  return { driver, schema, one, other, round }
}

async function reader(driver: Driver, group: string): Promise<Consumer> {
  const { transport, stores } = driver
  await transport.ensureGroup(group, ['t'], 'earliest')
  const beat = { everyMs: 60_000, aliveWithinMs: 600_000, alive: new Int32Array(new SharedArrayBuffer(4)) }
  await stores.leases.join({ member: group, group, label: group, filterEpoch: 0 }, beat)
  const leases = (await stores.leases.observe(group)).partitions
  const claims = leases.map(async ({ topic, partition, token }) => {
    const wanted = { group, topic, partition, member: group, expectedOwner: undefined, expectedToken: token }
    return { partition, token: (await stores.leases.claim(wanted))?.token ?? 0, after: undefined }
  })
  return transport.consume({ topic: 't', group, partitions: await Promise.all(claims) })
}

/** How many statements with a word this process has sent. */
function asked(word: string): number {
  return queries.mock.calls.filter(([query]) => JSON.stringify(query).includes(word)).length
}

function idsOf(records: readonly StoredRecord[], partition?: number): string[] {
  return records.filter((record) => partition === undefined || record.partition === partition).map(({ id }) => id)
}
