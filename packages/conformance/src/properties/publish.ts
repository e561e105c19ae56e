import assert from 'node:assert/strict'
import { murmur2, partitionOf, type PublishOutcome } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { expectError } from '../expect-error.ts'
import type { Property } from '../property.ts'
import { publishAll, readAll, record, withoutTime } from '../records.ts'
import { assertRising, consumeLeases, fetchCount, takeOver } from '../worker.ts'

/** What `publish` must do. */
export const publishProperties: readonly Property[] = [
  { id: '01 what is published is read back byte for byte', run: roundTrip },
  { id: '02 no loss with many publishers', run: manyPublishers },
  { id: '03 topics with similar names stay apart', run: topicsApart },
  { id: '07 outcomes tell the truth', run: outcomesTellTheTruth },
  { id: '07 an aborted publish stores nothing', run: abortedBefore },
  { id: '08 a record that fails keeps back no other', run: partialFailure },
  { id: '20 the second of two publishes comes after the first', run: twoInFlight },
  { id: '24 keys are placed as Kafka places them, evenly', run: keyPlacement },
  { id: '41 a reader that keeps up with publishers misses nothing', run: tailing },
  { id: '43 an event of the largest size is stored, a larger one refused', needs: ['size'], run: largest },
  { id: '48 recorded times never go back', run: recordedTimes },
]

const ODD_BODIES: readonly unknown[] = [
  '',
  null,
  {},
  [],
  0,
  -2147483648,
  2147483647,
  1e-7,
  'zero \u0000 byte, quote " and \\ backslash',
  'Grüße, 日本語, עברית, 🏭👩‍🔧',
  '\u2028 and \u2029',
  { a: { b: { c: [{ d: [[[]]] }] } } },
  { '2026-11-20T10:11:12.123456789Z': '2026-11-20T10:11:12.123456789+05:30' },
  'x'.repeat(64 * 1024),
]
const ODD_KEYS = ['k', ' ', 'ключ', '🏭', "o'; DROP TABLE events; --", '%_\\', 'k'.repeat(256), '\u0000']

async function roundTrip({ open }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('round', { partitions: 3 })
  await driver.transport.ensureGroup('all', ['round'], 'earliest')
  const records = [
    ...ODD_BODIES.map((data, index) => record({ topic: 'round', partition: index % 3, data })),
    ...ODD_KEYS.map((key) => record({ topic: 'round', partitions: 3, key, source: `urn:x:${key}` })),
    record({ topic: 'round', partition: 2, id: `${'i'.repeat(240)}-🏭`, type: 'com.Example.Type/1', key: 'k' }),
    record({ topic: 'round', partition: 1, body: '{"specversion" : "1.0",  "data":1.0 }' }),
  ]
  const expected = await publishAll(driver, records)
  const byPlace = (a: { partition: number; position: string }, b: typeof a): number =>
    a.partition - b.partition || (a.position < b.position ? -1 : 1)
  const read = await readAll(driver, 'round')
  assert.deepEqual(withoutTime(read).toSorted(byPlace), expected.toSorted(byPlace))
  const consumer = consumeLeases(driver, 'all', 'round', await takeOver(driver, 'all', 'round', 'reader'))
  const fetched = await fetchCount(consumer, records.length)
  assert.deepEqual(withoutTime(fetched).toSorted(byPlace), expected.toSorted(byPlace))
  assert.equal(new Set(expected.map(({ position }) => position.length)).size, 1, 'positions have one width')
  for (const { recordedAt } of read) assert.ok(Number.isInteger(recordedAt), 'recorded times are whole milliseconds')
}

async function manyPublishers({ open, random }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('busy', { partitions: 4 })
  const publishers = Array.from({ length: 50 }, (_, publisher) =>
    Array.from({ length: 240 }, (_, at) => record({ topic: 'busy', partitions: 4, key: `p${publisher}`, data: at })),
  )
  const sizes = publishers.map(() => random.integer(5, 40))
  const published = await Promise.all(
    publishers.map(async (records, index) => {
      const places = []
      for (let at = 0; at < records.length; at += sizes[index] ?? 1) {
        places.push(...(await publishAll(driver, records.slice(at, at + (sizes[index] ?? 1)))))
      }
      return places
    }),
  )
  const read = await readAll(driver, 'busy')
  assertRising(read)
  assert.equal(read.length, 12_000, 'every confirmed event is there, once')
  for (const [index, places] of published.entries()) {
    const ofKey = withoutTime(read.filter(({ key }) => key === `p${index}`))
    assert.deepEqual(ofKey, places, `the events of publisher ${index}, in its order`)
  }
}

async function topicsApart({ open }: Context): Promise<void> {
  const driver = await open()
  const topics = ['a', 'aa', 'a.a', 'a-a', 'a_a', 'a.b', 'a.b.c', 'ab', 'abc', 'b', 'b.a', '0', '00', '1', '1.0', '10']
  const long = ['t'.repeat(199), 't'.repeat(200), `${'t'.repeat(198)}.u`]
  for (const topic of [...topics, ...long]) await driver.transport.ensureTopic(topic, { partitions: 2 })
  await driver.transport.ensureGroup('apart', [...topics, ...long], 'earliest')
  await publishAll(
    driver,
    [...topics, ...long].flatMap((topic) => [0, 1].map((partition) => record({ topic, partition, data: topic }))),
  )
  for (const topic of [...topics, ...long]) {
    const read = await readAll(driver, topic)
    assert.deepEqual(
      read.map((each) => [each.topic, (JSON.parse(each.body) as { data: string }).data]),
      [
        [topic, topic],
        [topic, topic],
      ],
    )
    const leases = await takeOver(driver, 'apart', topic, 'one')
    const fetched = await fetchCount(consumeLeases(driver, 'apart', topic, leases), 2)
    assert.deepEqual(new Set(fetched.map((each) => each.topic)), new Set([topic]))
  }
}

async function outcomesTellTheTruth({ open, random }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('truth', { partitions: 3 })
  const records = Array.from({ length: 200 }, () => {
    const topic = random.chance(0.1) ? 'no-such-topic' : 'truth'
    return record({ topic, partition: random.chance(0.1) ? 7 : random.integer(0, 2) })
  })
  const outcomes: PublishOutcome[] = []
  for (let at = 0; at < records.length; at += 20) {
    outcomes.push(...(await driver.transport.publish(records.slice(at, at + 20))))
  }
  const read = new Map((await readAll(driver, 'truth')).map((each) => [each.id, each]))
  for (const [index, { id, topic, partition }] of records.entries()) {
    const outcome = outcomes[index]
    const possible = topic === 'truth' && partition < 3
    assert.equal(outcome?.outcome, possible ? 'stored' : 'rejected', `record ${index}`)
    const there = read.get(id)
    if (outcome?.outcome === 'stored') {
      assert.deepEqual([there?.partition, there?.position], [outcome.partition, outcome.position])
    } else {
      assert.equal(there, undefined, 'a rejected record is not there')
      const code = topic === 'truth' ? 'topic_mismatch' : 'topic_unknown'
      assert.ok(outcome?.outcome === 'rejected')
      await expectError(code, () => Promise.reject(outcome.error))
    }
  }
}

async function abortedBefore({ open }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('aborted', { partitions: 1 })
  const records = [record({ topic: 'aborted' }), record({ topic: 'aborted' })]
  const outcomes = await driver.transport.publish(records, { signal: AbortSignal.abort() })
  assert.deepEqual(
    outcomes.map(({ outcome }) => outcome),
    ['rejected', 'rejected'],
  )
  const [kept] = await publishAll(driver, [record({ topic: 'aborted' })])
  assert.deepEqual(
    (await readAll(driver, 'aborted')).map(({ id }) => id),
    [kept?.id],
  )
}

async function partialFailure({ open }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('partial', { partitions: 2 })
  const good = Array.from({ length: 12 }, (_, at) => record({ topic: 'partial', partition: at % 2, key: `k${at % 2}` }))
  const bad = [record({ topic: 'nowhere' }), record({ topic: 'partial', partition: 9 })]
  const [first, second] = bad
  assert.ok(first && second)
  const batch = [...good.slice(0, 5), first, ...good.slice(5, 9), second, ...good.slice(9)]
  const outcomes = await driver.transport.publish(batch)
  assert.deepEqual(
    outcomes.map(({ outcome }) => outcome),
    batch.map((each) => (bad.includes(each) ? 'rejected' : 'stored')),
  )
  const read = await readAll(driver, 'partial')
  for (const partition of [0, 1]) {
    assert.deepEqual(
      read.filter((each) => each.partition === partition).map(({ id }) => id),
      good.filter((each) => each.partition === partition).map(({ id }) => id),
    )
  }
}

async function twoInFlight({ open }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('flight', { partitions: 2 })
  const records = Array.from({ length: 300 }, (_, at) => record({ topic: 'flight', partition: at % 2 }))
  let before: Promise<unknown> = Promise.resolve()
  for (let at = 0; at < records.length; at += 10) {
    const flush = publishAll(driver, records.slice(at, at + 10))
    await before
    before = flush
  }
  await before
  const read = await readAll(driver, 'flight')
  for (const partition of [0, 1]) {
    assert.deepEqual(
      read.filter((each) => each.partition === partition).map(({ id }) => id),
      records.filter((each) => each.partition === partition).map(({ id }) => id),
    )
  }
}

/** The expected hashes are those of `UtilsTest.testMurmur2` of Kafka's Java client. */
async function keyPlacement({ random }: Context): Promise<void> {
  const hashes = { '21': -973932308, foobar: -790332482, 'a-little-bit-long-string': -985981536, abc: 479470107 }
  for (const [text, hash] of Object.entries(hashes)) assert.equal(murmur2(new TextEncoder().encode(text)), hash, text)
  const counts = Array.from({ length: 16 }, () => 0)
  const keys = 10_000
  for (let at = 0; at < keys; at += 1) {
    const partition = partitionOf(`customer-${random.integer(0, 2 ** 31)}-${at}`, 16)
    counts[partition] = (counts[partition] ?? 0) + 1
  }
  const expected = keys / 16
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  assert.ok(chiSquare < 60, `chi-square with 15 degrees of freedom is ${chiSquare}; a fair spread exceeds 60 never`)
}

async function tailing({ open, random }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('tail', { partitions: 3 })
  await driver.transport.ensureGroup('tail', ['tail'], 'earliest')
  const leases = await takeOver(driver, 'tail', 'tail', 'reader')
  const reading = fetchCount(consumeLeases(driver, 'tail', 'tail', leases), 800, 7)
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let left = 100; left > 0;) {
        const size = Math.min(left, random.integer(1, 5))
        const partition = random.integer(0, 2)
        await publishAll(
          driver,
          Array.from({ length: size }, () => record({ topic: 'tail', partition })),
        )
        left -= size
      }
    }),
  )
  const fetched = await reading
  const read = await readAll(driver, 'tail')
  for (const { partition } of leases) {
    assert.deepEqual(
      fetched.filter((each) => each.partition === partition),
      read.filter((each) => each.partition === partition),
    )
  }
}

async function largest({ open }: Context): Promise<void> {
  const driver = await open()
  await driver.transport.ensureTopic('large', { partitions: 1 })
  const maxBytes = driver.transport.capabilities.size.bounds?.['maxBytes']
  assert.ok(typeof maxBytes === 'number' && maxBytes >= 256 * 1024, 'the bound `maxBytes` is at least 256 KiB')
  if (maxBytes > 16 * 1024 * 1024) return
  const sized = (bytes: number): string => JSON.stringify('é'.repeat((bytes - 2) / 2) + 'x'.repeat(bytes % 2))
  const outcomes = await driver.transport.publish([
    record({ topic: 'large', body: sized(maxBytes + 1) }),
    record({ topic: 'large', body: sized(maxBytes) }),
  ])
  assert.deepEqual(
    outcomes.map(({ outcome }) => outcome),
    ['rejected', 'stored'],
  )
  assert.ok(outcomes[0]?.outcome === 'rejected')
  const { error } = outcomes[0]
  await expectError('limit_exceeded', () => Promise.reject(error))
  assert.equal((await readAll(driver, 'large'))[0]?.body, sized(maxBytes))
}

async function recordedTimes({ open }: Context): Promise<void> {
  let skew = 0
  const driver = await open({ skewMs: () => skew })
  await driver.transport.ensureTopic('clock', { partitions: 2 })
  for (const next of [0, 300_000, -300_000, 5, -5]) {
    skew = next
    await publishAll(
      driver,
      [0, 1, 0].map((partition) => record({ topic: 'clock', partition })),
    )
  }
  const read = await readAll(driver, 'clock')
  assert.equal(read.length, 15)
  assertRising(read)
  for (const partition of [0, 1]) {
    const times = read.filter((each) => each.partition === partition).map(({ recordedAt }) => recordedAt)
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    )
  }
}
