import type { Driver } from '@millrace/core/driver'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { createMarks } from '../src/driver/marks.ts'
import type { Mark } from '../src/write/mark.ts'
import { systemRuntime } from '../../core/src/runtime/system-runtime.ts'
import { sqlite } from '../src/index.ts'
import { atEnd, records, scratchFile } from './scratch.ts'
import { until } from './until.ts'

const TOKENS = new Map([
  [0, 7],
  [1, 8],
])
const NOTHING: readonly number[] = []
/** No time passes. */
const STANDING = (): number => 0

function refuse(): never {
  throw new Error('Nobody asked for this.')
}

function places(first: number, second: number): ReadonlyMap<number, number> {
  return new Map([
    [0, first],
    [1, second],
  ])
}

test('much is fetched: marks are stored beyond it, once at a time, and again when they are nearly reached', async () => {
  const calls: { readonly marks: readonly Mark[]; stored(fenced: readonly number[]): void }[] = []
  const marks = createMarks(
    TOKENS,
    (wanted) => {
      const { promise, resolve } = Promise.withResolvers<readonly number[]>()
      calls.push({ marks: wanted, stored: resolve })
      return promise
    },
    STANDING,
  )
  marks.fetched(places(100, 100), places(100, 100))
  marks.fetched(places(100, 100), places(200, 200))
  expect(calls.map((call) => call.marks)).toEqual([
    [
      { partition: 0, token: 7, upTo: 400 },
      { partition: 1, token: 8, upTo: 400 },
    ],
  ])
  expect(marks.of(0)).toBe(undefined)
  calls[0]?.stored(NOTHING)
  await until(() => marks.of(0) !== undefined)
  expect(Number(marks.of(1))).toBe(400)
  marks.fetched(places(100, 100), places(300, 300))
  expect(calls).toHaveLength(1)
  marks.fetched(places(100, 100), places(301, 301))
  expect(calls[1]?.marks.map(({ upTo }) => upTo)).toEqual([601, 601])
})

test('little is fetched: nothing is marked beyond it', () => {
  const marks = createMarks(TOKENS, refuse, STANDING)
  marks.fetched(places(10, 10), places(10, 10))
  expect(marks.of(0)).toBe(undefined)
})

test('handlers are slow: nothing is marked beyond what they have, for all of it would run alone after a crash', () => {
  let now = 1_000
  let asked = 0
  const marks = createMarks(
    TOKENS,
    async () => ((asked += 1), NOTHING),
    () => now,
  )
  marks.fetched(places(100, 100), places(100, 100))
  now += 21
  marks.fetched(places(100, 100), places(200, 200))
  expect(asked).toBe(0)
  now += 19
  marks.fetched(places(100, 100), places(300, 300))
  expect(asked).toBe(1)
})

test('a mark that is refused or fails is not taken for stored, and is wanted again', async () => {
  const answers: (readonly number[] | Error)[] = [new Error('busy'), [1], NOTHING]
  let asked = 0
  const marks = createMarks(
    TOKENS,
    async () => {
      const answer = answers[asked++] ?? NOTHING
      if (answer instanceof Error) throw answer
      return answer
    },
    STANDING,
  )
  marks.fetched(places(100, 100), places(100, 100))
  await until(() => asked === 1)
  expect([marks.of(0), marks.of(1)]).toEqual([undefined, undefined])
  await until(() => (marks.fetched(places(100, 100), places(200, 200)), asked === 2))
  await until(() => marks.of(0) !== undefined)
  expect(marks.of(1)).toBe(undefined)
  await until(() => (marks.fetched(places(100, 100), places(300, 300)), asked === 3))
  await until(() => marks.of(1) !== undefined)
  marks.stored([{ partition: 1, upTo: 10 }])
  expect(Number(marks.of(1))).toBe(600)
})

test('what a consumer says is marked is in the file, also where the file was locked meanwhile', async () => {
  const path = scratchFile()
  const driver = await quick(path)
  const { consumer, highs } = await claimAll(driver, path)
  await driver.transport.publish(records(0, 399))
  const other = new DatabaseSync(path, { timeout: 30_000 })
  atEnd(() => other.close())
  for (let round = 0; round < 4; round += 1) {
    if (round === 1) other.exec('BEGIN IMMEDIATE')
    expect(await consumer.fetch({ max: 100, mark: true })).toHaveLength(100)
    if (round === 2) other.exec('ROLLBACK')
    const stored = highs()
    for (const partition of [0, 1, 2, 3]) {
      const mark = Number(consumer.marked?.(partition) ?? 0)
      expect(stored[partition]).toBeGreaterThanOrEqual(mark)
    }
  }
  await driver.transport.publish(records(400, 499))
  await consumer.fetch({ max: 100, mark: true })
  await until(() => Number(consumer.marked?.(0) ?? 0) >= 125)
  expect(highs().every((high) => high >= 125)).toBe(true)
})

test('the marks of a partition that somebody else has taken are refused', async () => {
  const path = scratchFile()
  const driver = await quick(path)
  const { consumer } = await claimAll(driver, path)
  await driver.transport.publish(records(0, 799))
  await claimAll(driver, path)
  for (let round = 0; round < 8; round += 1) await consumer.fetch({ max: 100, mark: true })
  await driver.transport.list()
  expect(consumer.marked?.(0)).toBe(undefined)
})

/** A driver for which no time passes between two fetches, with a topic of four partitions. */
async function quick(path: string): Promise<Driver> {
  const driver = sqlite({ path, busyTimeoutMs: 100 }).open({ ...systemRuntime(), monotonic: STANDING })
  atEnd(() => driver.transport.close())
  await driver.transport.connect()
  await driver.transport.ensureTopic('order', { partitions: 4 })
  return driver
}

/** A consumer of all four partitions, and the marks that are in the file. */
async function claimAll(
  driver: Driver,
  path: string,
): Promise<{ readonly consumer: ReturnType<Driver['transport']['consume']>; highs(): number[] }> {
  await driver.transport.ensureGroup('g', ['order'], 'earliest')
  const { partitions: seen } = await driver.stores.leases.observe('g')
  const partitions = []
  for (const { topic, partition, owner, token } of seen) {
    const won = await driver.stores.leases.claim({
      group: 'g',
      topic,
      partition,
      member: `m-${token}`,
      expectedOwner: owner,
      expectedToken: token,
    })
    partitions.push({ partition, token: won?.token ?? 0, after: undefined })
  }
  const db = new DatabaseSync(path)
  atEnd(() => db.close())
  const select = db.prepare(
    'SELECT fetched_high AS high FROM progress JOIN partitions ON id = partition_id ORDER BY partition',
  )
  return {
    consumer: driver.transport.consume({ topic: 'order', group: 'g', partitions }),
    highs: () => select.all().map(({ high }) => Number(high)),
  }
}
