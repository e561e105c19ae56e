import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { connected, record, records, scratchFile } from './scratch.ts'

test('a head that lies behind its events refuses the batch, and stores none of it', async () => {
  const path = scratchFile()
  const driver = await connected(path)
  await driver.transport.publish(records(0, 3))
  const db = new DatabaseSync(path)
  db.exec('UPDATE partitions SET head = 0 WHERE partition = 2')
  db.close()
  const outcomes = await driver.transport.publish(records(4, 7))
  expect(outcomes).toMatchObject(Array(4).fill({ outcome: 'rejected', error: { code: 'engine_corrupt' } }))
  expect(await driver.transport.read({ topic: 'order', partition: 1, limit: 10 })).toHaveLength(1)
})

test('calls that share a transaction do not share a failure', async () => {
  const driver = await connected(scratchFile())
  const [stored, refused, created] = await Promise.allSettled([
    driver.transport.publish([record(1)]),
    driver.transport.ensureGroup('g', ['nowhere'], 'earliest'),
    driver.transport.ensureTopic('other', { partitions: 2 }),
  ])
  await driver.transport.ensureGroup('g', ['order'], 'earliest')
  const [waiting] = await driver.transport.read({ topic: 'order', limit: 1 })
  if (waiting === undefined) throw new Error('The event is missing.')
  const entry = { group: 'g', laneKey: 'k', record: waiting, delayMs: 0, attempts: 0, firstFailedAt: undefined }
  const [full, beside] = await Promise.allSettled([
    driver.stores.lane.add([{ ...entry, reason: 'retry', generation: 0 }], { capacity: 0 }),
    driver.transport.publish([record(2)]),
  ])
  expect(full).toMatchObject({ status: 'rejected', reason: { code: 'lane_full', retriable: true } })
  expect(beside).toMatchObject({ value: [{ outcome: 'stored' }] })
  expect(await driver.stores.lane.counts('g')).toMatchObject({ waiting: 0, keys: 0 })
  expect(stored).toMatchObject({ value: [{ outcome: 'stored' }] })
  expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'topic_unknown' } })
  expect(created).toMatchObject({ value: { partitions: 2 } })
})

test('text of every kind comes back byte for byte', async () => {
  const driver = await connected(scratchFile())
  const odd = ['', '\0', 'a\0b', 'ünïcödé', '🎻', '"quoted"', 'line\nbreak', "'; DROP TABLE events; --"]
  const sent = odd.map((text, n) => record(n * 4, { id: `id-${n}-${text}`, key: text, body: JSON.stringify({ text }) }))
  expect(new Set((await driver.transport.publish(sent)).map(({ outcome }) => outcome))).toEqual(new Set(['stored']))
  const read = await driver.transport.read({ topic: 'order', limit: 100 })
  expect(read.map(({ id, key, body }) => ({ id, key, body }))).toEqual(
    sent.map(({ id, key, body }) => ({ id, key, body })),
  )
  expect(await driver.transport.publish(sent)).toMatchObject(sent.map(({ body }) => ({ outcome: 'duplicate', body })))
})

test('a body beyond the limit is refused alone', async () => {
  const driver = await connected({ path: scratchFile(), maxBytes: 2_000 })
  const outcomes = await driver.transport.publish([record(1), record(2, { body: 'ü'.repeat(1_001) }), record(3)])
  expect(outcomes).toMatchObject([
    { outcome: 'stored' },
    { outcome: 'rejected', error: { code: 'limit_exceeded' } },
    { outcome: 'stored' },
  ])
})

test('in a large batch what cannot be stored leaves its neighbours alone, and no gaps', async () => {
  const driver = await connected({ path: scratchFile(), maxBytes: 2_000 })
  await driver.transport.publish([record(25)])
  const sent = records(0, 129).map((one, n) => {
    if (n === 47) return record(46, { body: '"again"' })
    if (n === 83) return { ...one, body: 'x'.repeat(2_001) }
    return n === 101 ? { ...one, partition: 4 } : one
  })
  const unstored = new Map([
    [25, { outcome: 'duplicate', partition: 1, body: sent[25]?.body }],
    [47, { outcome: 'duplicate', partition: 2, body: sent[46]?.body }],
    [83, { outcome: 'rejected', error: { code: 'limit_exceeded' } }],
    [101, { outcome: 'rejected', error: { code: 'topic_mismatch' } }],
  ])
  const outcomes = await driver.transport.publish(sent)
  expect(outcomes).toMatchObject(sent.map((_, n) => unstored.get(n) ?? { outcome: 'stored' }))
  for (const partition of [0, 1, 2, 3]) {
    const held = await driver.transport.read({ topic: 'order', partition, limit: 1_000 })
    expect(held.map(({ position }) => Number(position))).toEqual(held.map((_, at) => at + 1))
    const inOrder = sent.filter((one, n) => one.partition === partition && !unstored.has(n)).map(({ id }) => id)
    expect(held.map(({ id }) => id)).toEqual(partition === 1 ? ['event-25', ...inOrder] : inOrder)
  }
  const [topic] = (await driver.transport.list()).topics
  const held = await driver.transport.read({ topic: 'order', limit: 1_000 })
  expect(topic).toMatchObject({
    held: 127,
    published: 127,
    bytes: held.reduce((sum, { body }) => sum + body.length, 0),
  })
})

test('a large batch that would fill its topic is stored as far as it fits', async () => {
  const driver = await connected(scratchFile())
  await driver.transport.ensureTopic('small', { partitions: 1, retention: { maxEvents: 30 } })
  await driver.transport.ensureGroup('g', ['small'], 'earliest')
  const sent = records(0, 49).map((one) => ({ ...one, topic: 'small', partition: 0 }))
  const full = { outcome: 'rejected', error: { code: 'topic_full' } }
  expect(await driver.transport.publish(sent)).toMatchObject(
    sent.map((_, n) => (n < 30 ? { outcome: 'stored', position: String(n + 1).padStart(16, '0') } : full)),
  )
})
