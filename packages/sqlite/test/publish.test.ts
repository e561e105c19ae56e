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
