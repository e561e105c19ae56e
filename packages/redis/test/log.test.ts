import { askRedis, available, type EngineServer, startFaultProxy, startRedis } from 'engines'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../../conformance/src/eventually.ts'
import type { RedisOptions } from '../src/index.ts'
import { connected, publishOne, record } from './driver-of.ts'

describe.runIf(await available('redis-server'))('the log on Redis', () => {
  let server: EngineServer
  let made = 0
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  function place(): RedisOptions & { readonly prefix: string } {
    return { url: server.url, prefix: `log-${process.pid}-${(made += 1)}:`, retentionEveryMs: 50 }
  }

  test('positions follow the clock of the server and number events without gaps', async () => {
    const driver = await connected(place())
    const outcomes = await driver.transport.publish([record(), record(), record()])
    const positions = outcomes.map((outcome) => (outcome.outcome === 'stored' ? outcome.position : ''))
    expect(positions.map((position) => Number(position.slice(14)))).toEqual([1, 2, 3])
    expect(positions.every((position) => /^\d{13}-\d{14}$/.test(position))).toBe(true)
  })

  test('a clock that goes back does not take positions with it', async () => {
    const given = place()
    const driver = await connected(given)
    await publishOne(driver)
    const meta = `${given.prefix}{order/0}:meta`
    const future = String(Date.now() + 3_600_000)
    // As the meta would be had the clock been an hour ahead when the last event came.
    await askRedis(server.url, 'HSET', meta, 'ms', future)
    const [outcome] = await driver.transport.publish([record()])
    expect(outcome?.outcome === 'stored' && outcome.position).toBe(`${future}-00000000000002`)
    expect(
      (await driver.transport.read({ topic: 'order', limit: 5 })).map(({ position }) => position.slice(14)),
    ).toEqual(['00000000000001', '00000000000002'])
  })

  test('who keeps up has its mark stored with the fetch', async () => {
    const driver = await connected(place())
    const seen = await driver.stores.leases.observe('readers')
    const [free] = seen.partitions
    const lease = await driver.stores.leases.claim({
      group: 'readers',
      topic: 'order',
      partition: 0,
      member: 'm',
      expectedOwner: undefined,
      expectedToken: free?.token ?? 0,
    })
    const partitions = [{ partition: 0, token: lease?.token ?? 0, after: undefined }]
    const consumer = driver.transport.consume({ topic: 'order', group: 'readers', partitions })
    await publishOne(driver)
    // What a reader finds that has just begun may be a backlog, which is read without a script.
    expect(await consumer.fetch({ max: 10, mark: true })).toHaveLength(1)
    expect(consumer.marked?.(0)).toBe(undefined)
    const fetching = consumer.fetch({ max: 10, mark: true })
    await publishOne(driver)
    const [last] = await fetching
    expect(consumer.marked?.(0)).toBe(last?.position)
    await consumer.close()
  })

  test('a server that has forgotten its scripts lets no batch overtake another', async () => {
    const given = place()
    const direct = await connected(given)
    await using proxy = await startFaultProxy(server.url)
    const driver = await connected({ ...given, url: proxy.url })
    await askRedis(server.url, 'SCRIPT', 'FLUSH')
    // The server is asked, and its answer is on its way for as long as another process needs to bring the script back.
    await proxy.set({ hold: 'toClient' })
    const heard = proxy.next('held')
    const first = driver.transport.publish([record({ id: 'first' })])
    await heard
    await publishOne(direct, { id: 'between' })
    const second = driver.transport.publish([record({ id: 'second' })])
    await proxy.set({})
    await Promise.all([first, second])
    const ids = (await direct.transport.read({ topic: 'order', limit: 9 })).map(({ id }) => id)
    expect(ids.filter((id) => id !== 'between')).toEqual(['first', 'second'])
  })

  test('what is indexed of an event goes with it', async () => {
    const given = place()
    const driver = await connected(given)
    const keys = ['ids', 'flows', 'log'].map((kind) => `${given.prefix}{order/0}:${kind}`)
    await driver.transport.publish([
      record({ id: 'twice', source: '/a', correlationId: 'flow' }),
      record({ id: 'twice', source: '/b', correlationId: 'flow' }),
      record({ id: 'other' }),
    ])
    await driver.transport.seek('readers', 'order', 'latest')
    await driver.transport.ensureTopic('order', { retention: { maxAgeMs: 1 } })
    await eventually('all is dropped', async () => (await driver.transport.list()).topics[0]?.held === 0)
    expect(await Promise.all(keys.slice(0, 2).map((key) => askRedis(server.url, 'EXISTS', key)))).toEqual([0, 0])
    expect(await askRedis(server.url, 'XLEN', keys[2] ?? '')).toBe(0)
    expect(await publishOne(driver, { id: 'twice', source: '/a' })).toBe('stored')
  })

  test('one of two sources of an id can go without the other', async () => {
    const driver = await connected(place())
    await driver.transport.publish([record({ id: 'same', source: '/a' }), record({ id: 'same', source: '/b' })])
    const [first] = await driver.transport.read({ topic: 'order', limit: 1 })
    await driver.transport.seek('readers', 'order', { after: [{ partition: 0, position: first?.position ?? '' }] })
    await driver.transport.ensureTopic('order', { retention: { maxEvents: 1 } })
    await eventually('the first is dropped', async () => (await driver.transport.list()).topics[0]?.held === 1)
    expect(await driver.stores.index.byId('same', '/a')).toEqual([])
    expect(await driver.stores.index.byId('same', '/b')).toHaveLength(1)
    expect(await publishOne(driver, { id: 'same', source: '/b' })).toBe('duplicate')
  })

  test('a look-up that points at an event that somebody else has deleted stores it anew', async () => {
    const given = place()
    const driver = await connected(given)
    await publishOne(driver, { id: 'gone' })
    await askRedis(server.url, 'XTRIM', `${given.prefix}{order/0}:log`, 'MAXLEN', '0')
    expect(await publishOne(driver, { id: 'gone' })).toBe('stored')
    expect(await publishOne(driver, { id: 'gone' })).toBe('duplicate')
  })

  test('fields with line feeds, backslashes and zero bytes are told apart', async () => {
    const driver = await connected(place())
    const odd = { id: 'a\nb\\n', source: 's\n\\', type: 't\\\n', key: '\0k\n', correlationId: '\\n\n' }
    expect(await publishOne(driver, odd)).toBe('stored')
    expect(await publishOne(driver, odd)).toBe('duplicate')
    const [found] = await driver.stores.index.byCorrelation(odd.correlationId, 5)
    expect([found?.id, found?.type, found?.key]).toEqual([odd.id, odd.type, odd.key])
    expect(await driver.stores.index.byId(odd.id, odd.source)).toHaveLength(1)
  })

  test('what fails in one partition says nothing of the others', async () => {
    const given = place()
    const driver = await connected(given)
    // Somebody else's key where the look-up of ids is kept.
    await askRedis(server.url, 'SET', `${given.prefix}{order/0}:ids`, 'foreign')
    const outcomes = await driver.transport.publish([record({ partition: 1 }), record(), record({ partition: 1 })])
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['stored', 'rejected', 'stored'])
    expect(outcomes.flatMap((one) => ('error' in one && 'code' in one.error ? [one.error.code] : []))).toEqual([
      'engine_corrupt',
    ])
    const read = await driver.transport.read({ topic: 'order', limit: 5 })
    expect(read.map(({ partition }) => partition)).toEqual([1, 1])
  })

  test('a topic that was made again by another process is noticed', async () => {
    const given = place()
    const [one, other] = [await connected(given), await connected(given)]
    await publishOne(one)
    await other.transport.remove({ topic: 'order' })
    expect(await publishOne(one)).toBe('rejected topic_unknown')
    await other.transport.ensureTopic('order', { partitions: 2 })
    expect(await publishOne(one)).toBe('stored')
    expect((await other.transport.read({ topic: 'order', limit: 5 })).length).toBe(1)
  })

  test('a batch that has to look a topic up is not overtaken by the next', async () => {
    const given = place()
    const [driver, other] = [await connected(given), await connected(given)]
    await other.transport.ensureTopic('elsewhere', { partitions: 1 })
    const first = record()
    const second = record()
    await Promise.all([
      driver.transport.publish([record({ topic: 'elsewhere' }), first]),
      driver.transport.publish([second]),
    ])
    const read = await driver.transport.read({ topic: 'order', limit: 5 })
    expect(read.map(({ id }) => id)).toEqual([first.id, second.id])
  })

  test('numbers that are given again after a loss are not taken for settled', async () => {
    const given = place()
    const driver = await connected(given)
    const outcomes = await driver.transport.publish([record(), record(), record(), record()])
    await driver.transport.seek('readers', 'order', 'latest')
    const last = outcomes.flatMap((outcome) => (outcome.outcome === 'stored' ? [outcome.position] : [])).at(-1) ?? ''
    // As after a failover to a replica that had none of them yet.
    const base = `${given.prefix}{order/0}:`
    await askRedis(server.url, 'DEL', `${base}log`, `${base}ids`)
    await askRedis(
      server.url,
      'HSET',
      `${base}meta`,
      'n',
      '0',
      'bytes',
      '0',
      'ms',
      String(Number(last.slice(0, 13)) + 1),
    )
    const unread = [record(), record(), record()]
    await driver.transport.publish(unread)
    await driver.transport.ensureTopic('order', { retention: { maxEvents: 1 } })
    const held = await driver.transport.read({ topic: 'order', limit: 5 })
    expect(held.map(({ id }) => id)).toEqual(unread.map(({ id }) => id))
  })

  test('events that were stored together are read from any of them on, both ways', async () => {
    const given = place()
    const driver = await connected(given)
    const batch = Array.from({ length: 9 }, () => record())
    const outcomes = await driver.transport.publish(batch)
    expect(await askRedis(server.url, 'XLEN', `${given.prefix}{order/0}:log`)).toBe(1)
    const ids = batch.map(({ id }) => id)
    for (const [at, outcome] of outcomes.entries()) {
      const position = outcome.outcome === 'stored' ? outcome.position : ''
      const query = { topic: 'order', limit: 20, after: [{ partition: 0, position }] }
      const forwards = await driver.transport.read(query)
      const backwards = await driver.transport.read({ ...query, backwards: true })
      expect(forwards.map(({ id }) => id)).toEqual(ids.slice(at + 1))
      expect(backwards.map(({ id }) => id)).toEqual(ids.slice(0, at).toReversed())
      const consumer = driver.transport.consume({
        topic: 'order',
        group: 'readers',
        partitions: [{ partition: 0, token: 1, after: position }],
      })
      const rest = at === batch.length - 1 ? [] : await consumer.fetch({ max: 20 })
      expect(rest.map((one) => [one.id, one.body])).toEqual(batch.slice(at + 1).map(({ id, body }) => [id, body]))
      await consumer.close()
    }
  })

  test('of a batch that holds what is there already only the rest is stored', async () => {
    const given = place()
    const driver = await connected(given)
    // UUIDv7 of one millisecond, which are looked up together, and one that is not.
    const [one = '', two = '', three = '', four = ''] = [1, 2, 3, 4].map(
      (n) => `0193504a-1b2c-7000-8000-00000000000${n}`,
    )
    const before = [one, two, 'other'].map((id) => record({ id, correlationId: 'flow' }))
    const stored = await driver.transport.publish(before)
    const again = [three, two, four, 'other', one].map((id) => record({ id, correlationId: 'flow' }))
    const outcomes = await driver.transport.publish(again)
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['stored', 'duplicate', 'stored', 'duplicate', 'duplicate'])
    expect(outcomes[4]).toEqual({ ...stored[0], outcome: 'duplicate', body: before[0]?.body })
    const read = await driver.transport.read({ topic: 'order', limit: 9 })
    expect(read.map(({ id, position }) => [id, Number(position.slice(14))])).toEqual(
      [one, two, 'other', three, four].map((id, at) => [id, at + 1]),
    )
    expect((await driver.stores.index.byId(two)).map(({ body }) => body)).toEqual([before[1]?.body])
    expect((await driver.stores.index.byCorrelation('flow', 9)).map(({ id }) => id)).toEqual(read.map(({ id }) => id))
    await driver.transport.seek('readers', 'order', 'latest')
    await driver.transport.ensureTopic('order', { retention: { maxAgeMs: 1 } })
    await eventually('all is dropped', async () => (await driver.transport.list()).topics[0]?.held === 0)
    const keys = ['ids', 'flows'].map((kind) => `${given.prefix}{order/0}:${kind}`)
    expect(await Promise.all(keys.map((key) => askRedis(server.url, 'EXISTS', key)))).toEqual([0, 0])
    expect((await driver.transport.list()).topics[0]?.bytes).toBe(0)
  })
})
