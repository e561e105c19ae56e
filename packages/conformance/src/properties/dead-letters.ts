import assert from 'node:assert/strict'
import type { DeadLetter, Driver, NewDeadLetter, StoredRecord } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import type { Property } from '../property.ts'
import { publishAll, readAll, record } from '../records.ts'
import { takeOver } from '../worker.ts'

/** What dead letters must do. */
export const deadLetterProperties: readonly Property[] = [
  { id: '16 dead letters are written under the token, all or nothing', needs: ['fencing'], run: fenced },
  { id: '16 a takeover finds what is dead-lettered already', run: among },
  { id: '16 a dead letter survives a crash', needs: ['restart'], run: afterCrash },
  { id: '17 a dead letter keeps all that it was given', run: content },
  { id: '17 a dead letter of the same place replaces the first', run: replaced },
  { id: '17 dead letters are listed newest first, page by page', run: listing },
  { id: '17 dead letters are counted by group and fingerprint', run: counting },
  { id: '18 requeue hands the letter back once, attempts reset', run: requeue },
  { id: '18 requeue at once moves a letter once', run: requeueAtOnce },
  { id: '18 what is requeued while its owner still settles it comes again', run: requeueInSettling },
  { id: '18 an edited requeue stores the edited event', run: edited },
  { id: '18 discard removes a letter once', run: discard },
  { id: '23 a dead letter can park its key in the same step', run: parkedWith },
  { id: '23 a key is unparked when its last dead letter goes', run: unparking },
]

const PLACE = { group: 'hands', topic: 'work', partition: 0 }

interface Box {
  readonly driver: Driver
  readonly token: number
  readonly records: readonly StoredRecord[]
  put(letters: readonly NewDeadLetter[]): Promise<readonly DeadLetter[]>
  all(): Promise<readonly DeadLetter[]>
}

async function prepare(driver: Driver): Promise<Box> {
  const { deadLetters } = driver.stores
  await driver.transport.ensureTopic('work', { partitions: 2 })
  for (const group of ['hands', 'others']) await driver.transport.ensureGroup(group, ['work'], 'earliest')
  await publishAll(
    driver,
    Array.from({ length: 10 }, (_, at) => record({ topic: 'work', type: `type.${at % 2}`, key: `key ${at}` })),
  )
  const records = await readAll(driver, 'work')
  const token = (await takeOver(driver, 'hands', 'work', 'm'))[0]?.token ?? -1
  const all = (): Promise<readonly DeadLetter[]> => deadLetters.list({ limit: 100 })
  return {
    driver,
    token,
    records,
    all,
    async put(letters) {
      assert.equal(await deadLetters.put(letters, token), 'stored')
      const found = await all()
      return letters.map((letter) => {
        const stored = found.find((each) => each.position === letter.position && each.generation === letter.generation)
        assert.ok(stored)
        return stored
      })
    },
  }
}

function letter(stored: StoredRecord | undefined, wish: Partial<NewDeadLetter> = {}): NewDeadLetter {
  assert.ok(stored)
  return {
    ...PLACE,
    position: stored.position,
    record: stored,
    laneKey: 'k',
    code: 'handler_failed',
    message: 'Zu spät: 🏭 "quoted"',
    stack: 'Error: too late\n    at handler',
    attempts: 5,
    firstFailedAt: 1_700_000_000_000,
    lastFailedAt: 1_700_000_060_000,
    fingerprint: 'f1',
    generation: 0,
    ...wish,
  }
}

async function fenced({ open }: Context): Promise<void> {
  const { driver, token, records, all } = await prepare(await open())
  await takeOver(driver, 'hands', 'work', 'other')
  const outcome = await driver.stores.deadLetters.put([letter(records[0]), letter(records[1])], token)
  assert.equal(outcome, 'fenced')
  assert.deepEqual(await all(), [])
}

async function among({ open }: Context): Promise<void> {
  const { driver, records, put } = await prepare(await open())
  await put([letter(records[1]), letter(records[3])])
  const positions = records.slice(0, 5).map(({ position }) => position)
  const found = await driver.stores.deadLetters.among(PLACE, positions)
  assert.deepEqual(found.toSorted(), [records[1]?.position, records[3]?.position])
  assert.deepEqual(await driver.stores.deadLetters.among({ ...PLACE, group: 'others' }, positions), [])
  assert.deepEqual(await driver.stores.deadLetters.among({ ...PLACE, partition: 1 }, positions), [])
  assert.deepEqual(await driver.stores.deadLetters.among(PLACE, []), [])
}

async function afterCrash({ open, restart }: Context): Promise<void> {
  const { records, put } = await prepare(await open())
  const stored = await put([letter(records[1]), letter(records[2])])
  const again = await restart()
  const found = await again.stores.deadLetters.list({ limit: 10 })
  assert.deepEqual(new Set(found.map(({ id }) => id)), new Set(stored.map(({ id }) => id)))
  assert.deepEqual(await again.stores.deadLetters.get(stored[0]?.id ?? ''), stored[0])
}

async function content({ open }: Context): Promise<void> {
  const { driver, records, put } = await prepare(await open())
  const rich = letter(records[0])
  const bare = letter(records[1], { laneKey: undefined, stack: undefined, message: '', generation: 3 })
  const [one, two] = await put([rich, bare])
  const { id: _one, ...richStored } = one as DeadLetter
  const { id: _two, ...bareStored } = two as DeadLetter
  assert.deepEqual(richStored, rich)
  assert.deepEqual(bareStored, bare)
  assert.deepEqual(await driver.stores.deadLetters.get(one?.id ?? ''), one)
  assert.equal(await driver.stores.deadLetters.get('no-such-letter'), undefined)
}

async function replaced({ open }: Context): Promise<void> {
  const { records, put, all } = await prepare(await open())
  const [first] = await put([letter(records[0])])
  const [second] = await put([letter(records[0], { attempts: 9, message: 'again', fingerprint: 'f2' })])
  assert.equal(second?.id, first?.id, 'one place has one id')
  assert.deepEqual([second?.attempts, second?.message], [9, 'again'])
  assert.equal((await all()).length, 1)
  await put([letter(records[0], { generation: 1 })])
  assert.equal((await all()).length, 2, 'another generation is another letter')
}

async function listing({ open }: Context): Promise<void> {
  const { driver, records, put, all } = await prepare(await open())
  const { deadLetters } = driver.stores
  const times = (at: number): Partial<NewDeadLetter> => ({ lastFailedAt: 1_000 + at, fingerprint: `f${at % 3}` })
  for (const [at, each] of records.entries()) await put([letter(each, times(at))])
  const newestFirst = records.toReversed().map(({ position }) => position)
  assert.deepEqual(
    (await all()).map(({ position }) => position),
    newestFirst,
  )
  const paged: string[] = []
  for (let after: string | undefined; ;) {
    const page = await deadLetters.list({ limit: 3, ...(after === undefined ? {} : { after }) })
    assert.ok(page.length <= 3)
    paged.push(...page.map(({ position }) => position))
    after = page.at(-1)?.id
    if (after === undefined) break
  }
  assert.deepEqual(paged, newestFirst)
  const found = async (query: Omit<Parameters<typeof deadLetters.list>[0], 'limit'>): Promise<number[]> => {
    const list = await deadLetters.list({ limit: 100, ...query })
    return list.map(({ position }) => records.findIndex((each) => each.position === position)).toSorted((a, b) => a - b)
  }
  assert.deepEqual(await found({ fingerprint: 'f1' }), [1, 4, 7])
  assert.deepEqual(await found({ type: 'type.0' }), [0, 2, 4, 6, 8])
  assert.deepEqual(await found({ eventId: records[6]?.id ?? '' }), [6])
  assert.deepEqual(await found({ since: 1_003, until: 1_006 }), [3, 4, 5])
  assert.deepEqual(await found({ topic: 'work', group: 'hands', fingerprint: 'f0', since: 1_001 }), [3, 6, 9])
  assert.deepEqual(await found({ group: 'others' }), [])
  assert.deepEqual(await found({ topic: 'else' }), [])
}

async function counting({ open }: Context): Promise<void> {
  const { driver, records, put } = await prepare(await open())
  const { deadLetters } = driver.stores
  await put([
    letter(records[0], { lastFailedAt: 10 }),
    letter(records[1], { lastFailedAt: 30, message: 'latest' }),
    letter(records[2], { lastFailedAt: 20, fingerprint: 'f2', code: 'handler_timeout' }),
  ])
  const found = (await deadLetters.counts({ group: 'hands' })).toSorted((a, b) => b.count - a.count)
  assert.deepEqual(
    found.map(({ group, fingerprint, count, lastFailedAt }) => [group, fingerprint, count, lastFailedAt]),
    [
      ['hands', 'f1', 2, 30],
      ['hands', 'f2', 1, 20],
    ],
  )
  assert.equal(found[1]?.code, 'handler_timeout')
  assert.deepEqual(await deadLetters.counts({ group: 'others' }), [])
  assert.equal((await deadLetters.counts()).length, 2)
}

async function requeue({ open }: Context): Promise<void> {
  const { driver, records, put, all } = await prepare(await open())
  const { deadLetters, lane } = driver.stores
  const stored = await put([letter(records[0]), letter(records[1], { laneKey: undefined, generation: 2 })])
  const ids = stored.map(({ id }) => id)
  assert.deepEqual((await deadLetters.requeue([...ids, 'unknown'])).toSorted(), ids.toSorted())
  assert.deepEqual(await deadLetters.requeue(ids), [], 'the second time there is nothing to do')
  assert.deepEqual(await all(), [])
  const due = await lane.due({ ...PLACE, limit: 10 })
  assert.deepEqual(
    due
      .toSorted((a, b) => (a.record.position < b.record.position ? -1 : 1))
      .map(({ record: { position, body }, attempts, firstFailedAt, generation, laneKey, reason }) => [
        position,
        body,
        attempts,
        firstFailedAt,
        generation,
        laneKey,
        reason,
      ]),
    [
      [records[0]?.position, records[0]?.body, 0, undefined, 0, 'k', 'requeue'],
      [records[1]?.position, records[1]?.body, 0, undefined, 2, undefined, 'requeue'],
    ],
  )
}

async function requeueAtOnce({ open }: Context): Promise<void> {
  const { driver, records, put } = await prepare(await open())
  const { deadLetters, lane } = driver.stores
  const ids = (await put(records.map((each) => letter(each, { laneKey: each.key })))).map(({ id }) => id)
  const moved = await Promise.all(Array.from({ length: 6 }, () => deadLetters.requeue(ids)))
  assert.deepEqual(moved.flat().toSorted(), ids.toSorted(), 'each letter is moved by one of the calls')
  assert.equal((await lane.due({ ...PLACE, limit: 100 })).length, 10)
}

async function requeueInSettling({ open }: Context): Promise<void> {
  const { driver, token, records, put } = await prepare(await open())
  const { lane, deadLetters } = driver.stores
  const [stored] = records
  assert.ok(stored)
  const failed = letter(stored)
  const entry = { ...failed, record: stored, delayMs: 0, reason: 'retry' as const }
  assert.equal(await lane.add([entry], { token, capacity: 100 }), 'added')
  const due = { ...PLACE, limit: 10 }
  const [before] = await lane.due(due)
  assert.ok(before)
  // Its owner writes the letter, an operator requeues it, and only then the owner takes the entry out of the lane.
  const [one] = await put([failed])
  assert.deepEqual(await lane.due(due), [], 'a dead letter does not wait in the lane too')
  assert.deepEqual(await deadLetters.requeue([one?.id ?? '']), [one?.id])
  assert.equal(await lane.settle({ ...PLACE, token, done: [before.entryId], postponed: [] }), 'done')
  const again = await lane.due(due)
  assert.deepEqual(
    again.map(({ record: waiting, attempts, reason }) => [waiting.id, attempts, reason]),
    [[stored.id, 0, 'requeue']],
  )
}

async function edited({ open }: Context): Promise<void> {
  const { driver, records, put } = await prepare(await open())
  const [stored] = await put([letter(records[4])])
  assert.ok(stored)
  const replace: StoredRecord = { ...stored.record, id: 'edited', body: '{"edited":true}' }
  assert.deepEqual(await driver.stores.deadLetters.requeue([stored.id], { replace }), [stored.id])
  const [waiting] = await driver.stores.lane.due({ ...PLACE, limit: 10 })
  assert.deepEqual(waiting?.record, replace)
  const [original] = await driver.transport.read({ topic: 'work', limit: 1, key: 'key 4' })
  assert.deepEqual(original, records[4], 'the log is as it was')
}

async function discard({ open }: Context): Promise<void> {
  const { driver, records, put, all } = await prepare(await open())
  const [one, two] = await put([letter(records[0]), letter(records[1])])
  assert.ok(one && two)
  assert.deepEqual(await driver.stores.deadLetters.discard([one.id, 'unknown']), [one.id])
  assert.deepEqual(await driver.stores.deadLetters.discard([one.id]), [])
  assert.deepEqual(await all(), [two])
  assert.deepEqual(await driver.stores.lane.due({ ...PLACE, limit: 10 }), [])
  assert.equal(await driver.stores.deadLetters.get(one.id), undefined)
}

async function parkedWith({ open }: Context): Promise<void> {
  const { driver, token, records, all } = await prepare(await open())
  const { deadLetters, lane } = driver.stores
  const letters = [letter(records[0], { laneKey: 'a' }), letter(records[1], { laneKey: undefined })]
  assert.equal(await deadLetters.put(letters, token, { park: true }), 'stored')
  assert.deepEqual(await lane.keys(PLACE), new Map([['a', { waiting: 0, parked: true }]]))
  await deadLetters.put([letter(records[2], { laneKey: 'b' })], token)
  assert.equal((await lane.keys(PLACE)).has('b'), false, 'only where that was asked for')
  await takeOver(driver, 'hands', 'work', 'other')
  assert.equal(await deadLetters.put([letter(records[3], { laneKey: 'c' })], token, { park: true }), 'fenced')
  assert.equal((await lane.keys(PLACE)).has('c'), false, 'nothing is parked without the token')
  await deadLetters.discard((await all()).map(({ id }) => id))
  assert.deepEqual(await lane.keys(PLACE), new Map())
}

async function unparking({ open }: Context): Promise<void> {
  const { driver, token, records, put } = await prepare(await open())
  const { deadLetters, lane } = driver.stores
  const settled = await lane.settle({ ...PLACE, token, done: [], postponed: [], park: ['k', 'l'] })
  assert.equal(settled, 'done')
  const [one, two] = await put([letter(records[0]), letter(records[1])])
  const [other] = await put([letter(records[2], { laneKey: 'l' })])
  await lane.add(
    [3, 4].map((at) => ({
      group: 'hands',
      laneKey: 'k',
      record: records[at] as StoredRecord,
      delayMs: 0,
      attempts: 0,
      firstFailedAt: undefined,
      reason: 'parked',
      generation: 0,
    })),
    { token, capacity: 100 },
  )
  await deadLetters.requeue([one?.id ?? ''])
  assert.equal((await lane.keys(PLACE)).get('k')?.parked, true, 'another dead letter holds the key')
  assert.deepEqual(await lane.due({ ...PLACE, limit: 10 }), [])
  await deadLetters.requeue([two?.id ?? ''])
  assert.deepEqual(
    (await lane.due({ ...PLACE, limit: 10 })).map((each) => each.record.position),
    [0, 1, 3, 4].map((at) => records[at]?.position),
    'the requeued events come before those that were parked behind them',
  )
  assert.equal((await lane.keys(PLACE)).get('l')?.parked, true)
  await deadLetters.discard([other?.id ?? ''])
  assert.equal((await lane.keys(PLACE)).has('l'), false)
}
