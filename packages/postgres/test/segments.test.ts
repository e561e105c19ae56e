import { Client } from 'pg'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { encodeName } from '../src/name-codec.ts'
import { openDriver, recordOf, recordsOf } from './driver.ts'
import { ask, hasPostgres, testServer } from './test-server.ts'

describe.skipIf(!hasPostgres)('segments', () => {
  afterAll(async () => (await testServer()).stop())

  async function tables(url: string, schema: string): Promise<string[]> {
    const rows = await ask(
      url,
      `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
       WHERE i.inhparent = '${schema}.events'::regclass ORDER BY c.relname`,
    )
    return rows.map(({ relname }) => String(relname))
  }

  async function partitionOf(url: string, schema: string, topic: string): Promise<string> {
    const [row] = await ask(
      url,
      `SELECT p.id FROM ${schema}.partitions p JOIN ${schema}.topics t ON t.id = p.topic WHERE t.name = '${topic}'`,
    )
    return String(row?.['id'])
  }

  test('reading goes on from table to table, and retention drops whole tables', async () => {
    const { driver, url, schema } = await openDriver({ retentionEveryMs: 20, segmentEvents: 30 })
    const { transport, stores } = driver
    await transport.ensureTopic('t', { partitions: 3 })
    const ids: string[] = []
    const [first] = await tables(url, schema)
    let rounds = 0
    // A look for segments comes seldom by itself; a changed retention asks for one.
    while ((await tables(url, schema)).length < 3) {
      rounds += 1
      const records = recordsOf('t', 40, 3)
      ids.push(...records.map(({ id }) => id))
      await transport.publish(records)
      await transport.ensureTopic('t', { retention: {} })
      await expect.poll(async () => (await tables(url, schema)).length).toBeGreaterThan(Math.min(rounds, 2))
    }
    const read = await transport.read({ topic: 't', limit: 10_000 })
    expect(read.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
    const backwards = await transport.read({ topic: 't', limit: 10_000, backwards: true })
    expect(backwards.map(({ id }) => id)).toEqual(read.map(({ id }) => id).toReversed())
    const consumer = transport.consume({
      topic: 't',
      group: 'nobody',
      partitions: [0, 1, 2].map((partition) => ({ partition, token: 0, after: undefined })),
    })
    const fetched: string[] = []
    while (fetched.length < ids.length) fetched.push(...(await consumer.fetch({ max: 17 })).map(({ id }) => id))
    expect(fetched.toSorted()).toEqual(ids.toSorted())
    await consumer.close()
    const old = recordOf('t', 0, { id: ids[0] ?? '' })
    expect(await transport.publish([old])).toMatchObject([{ outcome: 'duplicate' }])

    await transport.ensureTopic('t', { retention: { maxEvents: 10 } })
    await expect.poll(async () => (await transport.list()).topics[0]?.held).toBe(10)
    await expect.poll(() => tables(url, schema)).not.toContain(first)
    expect(await stores.index.byId(ids[0] ?? '')).toEqual([])
    expect(await transport.read({ topic: 't', limit: 100 })).toHaveLength(10)
    expect((await driver.diagnose({ verify: true })).filter(({ level }) => level === 'problem')).toEqual([])
  })

  test('a topic whose retention fails keeps no other from its own', async () => {
    const { driver, url, schema } = await openDriver({ retentionEveryMs: 20 })
    const { transport } = driver
    for (const topic of ['broken', 'whole']) {
      await transport.ensureTopic(topic, { partitions: 1 })
      await transport.publish(recordsOf(topic, 30, 1))
    }
    await ask(
      url,
      `CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused''; END';
       CREATE TRIGGER refuse BEFORE UPDATE ON ${schema}.floors FOR EACH ROW
       WHEN (old.partition_id = (${await partitionOf(url, schema, 'broken')})) EXECUTE FUNCTION ${schema}.refuse()`,
    )
    for (const topic of ['broken', 'whole']) await transport.ensureTopic(topic, { retention: { maxEvents: 10 } })
    const held = async (): Promise<Record<string, number>> =>
      Object.fromEntries((await transport.list()).topics.map((topic) => [topic.topic, topic.held]))
    await expect.poll(held).toEqual({ broken: 30, whole: 10 })
  })

  test('the tables of a removed topic go, and its name begins anew', async () => {
    const { driver, url, schema } = await openDriver({ retentionEveryMs: 20 })
    const { transport } = driver
    await transport.ensureTopic('t', { partitions: 1 })
    const record = recordOf('t')
    await transport.publish([record])
    const before = await tables(url, schema)
    await transport.remove({ topic: 't' })
    await expect.poll(() => tables(url, schema)).toEqual([])
    await transport.ensureTopic('t', { partitions: 1 })
    expect(await transport.publish([record])).toMatchObject([{ outcome: 'stored', position: '0000000000000001' }])
    expect(await tables(url, schema)).not.toEqual(before)
  })

  test.each([
    ['few', 1],
    ['many', 60],
  ])('what is there is known, alone and in a batch, with %s tables', async (_, topics) => {
    const { driver, url, schema } = await openDriver()
    const { transport } = driver
    for (let n = 0; n < topics; n += 1) await transport.ensureTopic(`t${n}`, { partitions: 2 })
    expect(await tables(url, schema)).toHaveLength(topics)
    const old = recordsOf('t0', 20, 2)
    await transport.publish(old)
    await ask(url, `SELECT ${schema}.rotate_1('t0', 1, 0)`)
    const late = recordsOf('t0', 20, 2)
    await transport.publish(late)
    for (const record of [old[3], late[3]])
      expect(await transport.publish(record === undefined ? [] : [record])).toMatchObject([{ outcome: 'duplicate' }])
    const fresh = recordsOf('t0', 3, 2)
    const outcomes = await transport.publish([...old.slice(0, 2), ...fresh, ...late.slice(0, 2)])
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([
      'duplicate',
      'duplicate',
      'stored',
      'stored',
      'stored',
      'duplicate',
      'duplicate',
    ])
    expect(await transport.publish([recordOf('t0')])).toMatchObject([{ outcome: 'stored' }])
  })

  test('a look for an id that was planned while the table was empty goes through the index', async () => {
    const { driver, url, schema } = await openDriver()
    await driver.transport.ensureTopic('t', { partitions: 1 })
    const publish = (id: string): string =>
      `SELECT ${schema}.publish_one_2('t', 0, 0, '${id}', '/s', 't', NULL, NULL, '{}', '{}', '{}', '{}')`
    // In one session: what is planned by the first is used by the last.
    const plan = await ask(
      url,
      `${publish('first')};
       INSERT INTO ${schema}.events
       SELECT e.segment, e.partition_id, n, e.recorded, 'id-' || n, e.source, e.type, NULL, NULL, e.body
       FROM ${schema}.events e, generate_series(1000, 30000) n;
       EXPLAIN (ANALYZE, BUFFERS) ${publish('last')}`,
    )
    const hits = /shared hit=(\d+)/.exec(plan.map((row) => String(row['QUERY PLAN'])).join(' '))?.[1]
    expect(Number(hits)).toBeLessThan(300)
  })

  test('an id that comes in a table which is opened while its twin waits is known', async () => {
    const { driver, url, schema } = await openDriver()
    await driver.transport.ensureTopic('t', { partitions: 1 })
    await driver.transport.publish([recordOf('t')])
    const twin = recordOf('t')
    const first = new Client({ connectionString: url })
    await first.connect()
    onTestFinished(() => first.end())
    await first.query('BEGIN')
    await first.query(`SELECT ${schema}.rotate_1('t', 1, 0)`)
    await first.query(`SELECT ${schema}.publish_one_2('t', 0, 0, $1, $2, $3, NULL, NULL, $4, '{}', '{}', '{}')`, [
      twin.id,
      encodeName(twin.source),
      twin.type,
      twin.body,
    ])
    const second = driver.transport.publish([twin])
    const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%publish_one_2%'`
    await expect.poll(() => ask(url, waiting)).toHaveLength(1)
    await first.query('COMMIT')
    expect(await second).toMatchObject([{ outcome: 'duplicate' }])
  })

  test('the way to the events is by index, however many there are', async () => {
    const { driver, url, schema } = await openDriver()
    await driver.transport.ensureTopic('t', { partitions: 2 })
    for (let round = 0; round < 4; round += 1) await driver.transport.publish(recordsOf('t', 500, 2))
    const plan = async (sql: string): Promise<string> => {
      const rows = await ask(url, `ANALYZE ${schema}.events; EXPLAIN ${sql}`)
      return rows.map((row) => String(row['QUERY PLAN'])).join('\n')
    }
    const [row] = await ask(
      url,
      `SELECT min(segment) AS segment, min(partition_id) AS partition, min(id) AS id FROM ${schema}.events`,
    )
    const segment = `e.segment = ${String(row?.['segment'])}`
    const fetch = await plan(
      `SELECT * FROM ${schema}.events e WHERE ${segment} AND e.partition_id = ${String(row?.['partition'])}
       AND e.seq > 900 AND e.seq <= 950 ORDER BY e.seq`,
    )
    expect(fetch).toMatch(/Index.*events_\d+_partition_id_seq_segment_idx/)
    expect(fetch).not.toMatch(/Seq Scan|Append/)
    expect(await plan(`SELECT * FROM ${schema}.events e WHERE ${segment} AND e.id = '${String(row?.['id'])}'`)).toMatch(
      /Index.*_id_idx/,
    )
    expect(
      await plan(`SELECT * FROM ${schema}.events e WHERE e.correlation = 'c' ORDER BY e.recorded LIMIT 5`),
    ).toMatch(/Index.*correlation/)
  })
})
