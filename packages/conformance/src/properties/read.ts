import assert from 'node:assert/strict'
import type { Driver, ReadQuery, StoredRecord } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { eventually, within } from '../eventually.ts'
import { expectError } from '../expect-error.ts'
import type { Property } from '../property.ts'
import { publishAll, readAll, record } from '../records.ts'

/** What reading without a group must do. */
export const readProperties: readonly Property[] = [
  { id: '37 reading gives what the model says', needs: ['read'], run: matchesModel },
  { id: '37 pages cover everything once, both ways', needs: ['read'], run: paging },
  { id: '37 reading does not move a group', needs: ['read'], run: leavesGroups },
  { id: '37 a waiting read wakes on publish, time and signal', needs: ['read'], run: waiting },
  { id: '47 events are found by id and by flow', run: index },
  { id: '47 events are found by id and by flow after a restart', needs: ['restart'], run: indexAfterRestart },
]

/** A topic with 120 events at a few different times. */
async function prepare({ open, random }: Context): Promise<{ driver: Driver; log: readonly StoredRecord[] }> {
  const driver = await open()
  await driver.transport.ensureTopic('book', { partitions: 3 })
  for (let chunk = 0; chunk < 6; chunk += 1) {
    const before = Date.now()
    await publishAll(
      driver,
      Array.from({ length: 20 }, () =>
        record({
          topic: 'book',
          partition: random.integer(0, 2),
          type: `type.${random.integer(0, 2)}`,
          key: `k${random.integer(0, 3)}`,
        }),
      ),
    )
    await eventually('the clock moves on', () => Date.now() > before + 1)
  }
  return { driver, log: await readAll(driver, 'book') }
}

/** The specification of `read`, as plainly as it can be said. */
function modelRead(log: readonly StoredRecord[], query: ReadQuery): StoredRecord[] {
  const { after = [], since = -Infinity, until = Infinity, type, key, partition, limit, backwards = false } = query
  const matching = log.filter((each) => {
    const place = after.find((given) => given.partition === each.partition)?.position
    if (place !== undefined && (backwards ? each.position >= place : each.position <= place)) return false
    if (partition !== undefined && each.partition !== partition) return false
    if (type !== undefined && each.type !== type) return false
    return (key === undefined || each.key === key) && each.recordedAt >= since && each.recordedAt < until
  })
  const ordered = matching.toSorted(
    (a, b) => a.recordedAt - b.recordedAt || a.partition - b.partition || (a.position < b.position ? -1 : 1),
  )
  return (backwards ? ordered.toReversed() : ordered).slice(0, limit)
}

async function matchesModel(context: Context): Promise<void> {
  const { driver, log } = await prepare(context)
  const { random } = context
  const ordered = modelRead(log, { topic: 'book', limit: 1_000 })
  assert.deepEqual(log, ordered, 'ordered by recorded time, partition, position')
  for (let round = 0; round < 150; round += 1) {
    const time = (): number => random.pick(log).recordedAt + random.integer(-1, 1)
    const query: ReadQuery = {
      topic: 'book',
      limit: random.pick([1, 2, 5, 30, 10_000]),
      ...(random.chance(0.4) && { backwards: true }),
      ...(random.chance(0.3) && { since: time() }),
      ...(random.chance(0.3) && { until: time() }),
      ...(random.chance(0.3) && { type: `type.${random.integer(0, 3)}` }),
      ...(random.chance(0.3) && { key: `k${random.integer(0, 4)}` }),
      ...(random.chance(0.2) && { partition: random.integer(0, 2) }),
      ...(random.chance(0.4) && {
        after: [0, 1, 2]
          .filter(() => random.chance(0.7))
          .map((partition) => ({
            partition,
            position: random.pick(log.filter((each) => each.partition === partition)).position,
          })),
      }),
    }
    const found = await driver.transport.read(query)
    assert.deepEqual(found, modelRead(log, query), `read(${JSON.stringify(query)})`)
  }
}

async function paging(context: Context): Promise<void> {
  const { driver, log } = await prepare(context)
  for (const backwards of [false, true]) {
    const seen: StoredRecord[] = []
    const places = new Map<number, string>()
    for (;;) {
      const after = [...places].map(([partition, position]) => ({ partition, position }))
      const page = await driver.transport.read({ topic: 'book', limit: 7, after, backwards })
      for (const { partition, position } of page) places.set(partition, position)
      seen.push(...page)
      if (page.length === 0) break
    }
    assert.deepEqual(seen, backwards ? log.toReversed() : log)
  }
}

async function leavesGroups(context: Context): Promise<void> {
  const { driver } = await prepare(context)
  await driver.transport.ensureGroup('still', ['book'], 'earliest')
  const before = await driver.transport.lag('book', 'still')
  await readAll(driver, 'book', 10)
  await driver.transport.read({ topic: 'book', limit: 10, backwards: true })
  assert.deepEqual(await driver.transport.lag('book', 'still'), before)
}

async function waiting({ open }: Context): Promise<void> {
  const { transport, ...rest } = await open()
  const driver = { transport, ...rest }
  await transport.ensureTopic('wait', { partitions: 2 })
  for (let round = 0; round < 10; round += 1) {
    const read = transport.read({ topic: 'wait', limit: 5, waitMs: 60_000, type: `type.${round}` })
    await publishAll(driver, [
      record({ topic: 'wait', type: 'other' }),
      record({ topic: 'wait', partition: 1, type: `type.${round}` }),
    ])
    const found = await within('a publish wakes the read', read)
    assert.deepEqual(
      found.map(({ type }) => type),
      [`type.${round}`],
    )
  }
  const nothing = transport.read({ topic: 'wait', limit: 5, waitMs: 30, type: 'none' })
  assert.deepEqual(await within('the time ends the read', nothing), [])
  const stop = new AbortController()
  const aborted = transport.read({ topic: 'wait', limit: 5, waitMs: 60_000, type: 'none', signal: stop.signal })
  stop.abort()
  assert.deepEqual(await within('the signal ends the read', aborted), [])
  const blocked = transport.read({ topic: 'wait', limit: 5, waitMs: 60_000, type: 'none' })
  const ended = blocked.then(
    (found) => assert.deepEqual(found, []),
    (error: unknown) => expectError('closed', () => Promise.reject(error)),
  )
  await within('closing while a read is blocked', transport.close())
  await within('closing ends the read, with nothing or `closed`', ended)
}

async function index({ open }: Context): Promise<void> {
  const driver = await open()
  await prepareFlow(driver)
  await checkFlow(driver)
}

async function indexAfterRestart({ open, restart }: Context): Promise<void> {
  await prepareFlow(await open())
  await checkFlow(await restart())
}

async function prepareFlow(driver: Driver): Promise<void> {
  for (const topic of ['one', 'two']) await driver.transport.ensureTopic(topic, { partitions: 2 })
  await publishAll(driver, [
    record({ topic: 'one', id: 'root', source: '/a' }),
    record({ topic: 'two', id: 'child', correlationId: 'root' }),
    record({ topic: 'one', id: 'root', source: '/b', correlationId: 'elsewhere' }),
    record({ topic: 'one', partition: 1, id: 'grandchild', correlationId: 'root' }),
    record({ topic: 'one', id: 'stranger', correlationId: 'roo' }),
  ])
}

async function checkFlow({ stores: { index: find }, transport }: Driver): Promise<void> {
  assert.deepEqual((await find.byId('root')).length, 2)
  const [one] = await find.byId('root', '/a')
  assert.deepEqual([one], await transport.read({ topic: 'one', limit: 1, partition: 0 }))
  assert.deepEqual(await find.byId('root', '/c'), [])
  assert.deepEqual(await find.byId('nobody'), [])
  const flow = await find.byCorrelation('root', 10)
  assert.deepEqual(new Set(flow.map(({ id }) => id)), new Set(['root', 'child', 'grandchild']))
  assert.equal(flow.length, 3, 'the event of another flow that has the same id is no part of it')
  const times = flow.map(({ recordedAt }) => recordedAt)
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
  assert.equal((await find.byCorrelation('root', 2)).length, 2)
  assert.deepEqual(await find.byCorrelation('nothing', 10), [])
}
