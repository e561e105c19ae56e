import assert from 'node:assert/strict'
import type { Driver, LaneEntry, NewLaneEntry, StoredRecord } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import { expectError } from '../expect-error.ts'
import type { Property } from '../property.ts'
import { publishAll, readAll, record } from '../records.ts'
import { takeOver } from '../worker.ts'

/** What the side lane must do. */
export const laneProperties: readonly Property[] = [
  { id: '13 an entry is not due before its delay', run: delay },
  { id: '13 an entry comes after its delay, not before', run: delayPasses },
  { id: '13 a postponed entry keeps its attempts and waits', run: postponed },
  { id: '14 an entry keeps its attempts over a crash', needs: ['restart'], run: afterCrash },
  { id: '16 the lane adds all or nothing under the token', needs: ['fencing'], run: fencedAdd },
  { id: '18 an entry that waits already is left as it is', run: sameEntry },
  { id: '21 entries of a key come in the order of their positions', run: keyOrder },
  { id: '21 a waiting entry holds back its key and nobody else', run: holdsBackItsKey },
  { id: '23 a parked key waits until it is unparked', run: parking },
  { id: '27 the lane is bounded', run: bounded },
  { id: '27 due gives at most its limit', run: limited },
  { id: '37 a replayed event waits beside its first delivery', run: generations },
  { id: '39 the counts of the lane are true', run: counts },
]

const PLACE = { group: 'hands', topic: 'work', partition: 0 }
const HOUR = 3_600_000
const NO_LIMIT = 1_000

interface Lane {
  readonly driver: Driver
  readonly token: number
  readonly records: readonly StoredRecord[]
  add(entries: readonly NewLaneEntry[]): Promise<void>
  due(): Promise<readonly LaneEntry[]>
  settle(changes: {
    readonly done?: readonly string[]
    readonly postponed?: readonly { readonly entryId: string; readonly delayMs: number; readonly attempts: number }[]
    readonly park?: readonly string[]
  }): Promise<void>
}

/** A lane over ten stored events of one partition. */
async function prepare(driver: Driver): Promise<Lane> {
  await driver.transport.ensureTopic('work', { partitions: 2 })
  await driver.transport.ensureGroup('hands', ['work'], 'earliest')
  await publishAll(
    driver,
    Array.from({ length: 10 }, (_, at) => record({ topic: 'work', key: `key ${at}` })),
  )
  return openLane(driver)
}

async function openLane(driver: Driver): Promise<Lane> {
  const { lane } = driver.stores
  const token = (await takeOver(driver, 'hands', 'work', 'm'))[0]?.token ?? -1
  return {
    driver,
    token,
    records: await readAll(driver, 'work'),
    async add(entries) {
      assert.equal(await lane.add(entries, { token, capacity: 1_000 }), 'added')
    },
    due: () => lane.due({ ...PLACE, limit: NO_LIMIT }),
    async settle({ done = [], postponed: later = [], park = [] }) {
      const withFailure = later.map((each) => ({ ...each, firstFailedAt: 5 }))
      assert.equal(await lane.settle({ ...PLACE, token, done, postponed: withFailure, park }), 'done')
    },
  }
}

function entry(stored: StoredRecord | undefined, wish: Partial<NewLaneEntry> = {}): NewLaneEntry {
  assert.ok(stored)
  const defaults = { delayMs: 0, attempts: 1, firstFailedAt: 7, reason: 'retry', generation: 0 } as const
  return { group: 'hands', laneKey: 'k', record: stored, ...defaults, ...wish }
}

function ids(entries: readonly LaneEntry[]): string[] {
  return entries.map((each) => each.record.position)
}

async function delay({ open }: Context): Promise<void> {
  const { add, due, settle, records, driver } = await prepare(await open())
  await add([
    entry(records[0], { delayMs: HOUR, laneKey: 'a' }),
    entry(records[1], { laneKey: undefined, delayMs: HOUR }),
  ])
  assert.deepEqual(await due(), [])
  const { dueInMs = 0 } = await driver.stores.lane.next('hands')
  assert.ok(dueInMs > HOUR - 600_000 && dueInMs <= HOUR, `the next is due in ${dueInMs} ms`)
  await add([entry(records[2], { laneKey: 'b' })])
  const [ready] = await due()
  assert.deepEqual(ready?.record, records[2], 'with its record as it was stored')
  assert.deepEqual(
    [ready?.attempts, ready?.firstFailedAt, ready?.reason, ready?.generation, ready?.laneKey],
    [1, 7, 'retry', 0, 'b'],
  )
  assert.deepEqual(ids(await due()), [records[2]?.position], 'looking does not remove')
  await settle({ done: [ready?.entryId ?? ''] })
  assert.deepEqual(await due(), [])
}

async function delayPasses({ open }: Context): Promise<void> {
  const { add, due, records } = await prepare(await open())
  const began = performance.now()
  await add([entry(records[0], { delayMs: 120 })])
  await eventually('the entry is due', async () => (await due()).length === 1)
  const waited = performance.now() - began
  assert.ok(waited >= 115, `it was due after ${waited} ms, before its delay of 120 ms`)
}

async function postponed({ open }: Context): Promise<void> {
  const { add, due, settle, records, driver } = await prepare(await open())
  await add([entry(records[0]), entry(records[1], { reason: 'follows' })])
  const [first] = await due()
  assert.ok(first)
  await settle({ postponed: [{ entryId: first.entryId, delayMs: HOUR, attempts: 4 }] })
  assert.deepEqual(await due(), [], 'the postponed entry holds back what follows it')
  await settle({ postponed: [{ entryId: first.entryId, delayMs: 0, attempts: 6 }] })
  const [again, follower] = await due()
  assert.deepEqual([again?.entryId, again?.attempts, again?.firstFailedAt], [first.entryId, 6, 5])
  assert.deepEqual(follower?.record.position, records[1]?.position)
  assert.equal((await driver.stores.lane.counts('hands')).waiting, 2)
}

async function afterCrash({ open, restart }: Context): Promise<void> {
  const { add, due, settle, records } = await prepare(await open())
  await add([
    entry(records[0]),
    entry(records[1], { delayMs: HOUR, laneKey: 'later' }),
    entry(records[2], { laneKey: 'parked', reason: 'parked' }),
  ])
  const [first] = await due()
  assert.ok(first)
  await settle({ postponed: [{ entryId: first.entryId, delayMs: 0, attempts: 3 }], park: ['parked'] })
  const again = await openLane(await restart())
  const found = await again.due()
  assert.deepEqual(found, [{ ...first, attempts: 3, firstFailedAt: 5, delayMs: found[0]?.delayMs }])
  const keys = await again.driver.stores.lane.keys(PLACE)
  assert.deepEqual(
    [keys.get('later'), keys.get('parked')],
    [
      { waiting: 1, parked: false },
      { waiting: 1, parked: true },
    ],
  )
}

async function fencedAdd({ open }: Context): Promise<void> {
  const { token, records, driver, due } = await prepare(await open())
  const { lane } = driver.stores
  await takeOver(driver, 'hands', 'work', 'other')
  assert.equal(await lane.add([entry(records[0])], { token, capacity: 10 }), 'fenced')
  assert.deepEqual(await due(), [])
  assert.equal(await lane.add([entry(records[0])], { capacity: 10 }), 'added', 'an operator needs no token')
  const [waiting] = await due()
  const stale = { ...PLACE, token, done: [waiting?.entryId ?? ''], postponed: [], park: ['k'] }
  assert.equal(await lane.settle(stale), 'fenced')
  assert.deepEqual(await due(), [waiting], 'nothing of the refused changes is made')
}

async function sameEntry({ open }: Context): Promise<void> {
  const { add, due, settle, records, driver } = await prepare(await open())
  await add([entry(records[0])])
  const before = await due()
  await add([entry(records[0], { attempts: 9, delayMs: HOUR, laneKey: 'k' }), entry(records[1])])
  const after = await due()
  assert.deepEqual(after[0], before[0])
  assert.equal(after.length, 2)
  await settle({ done: [before[0]?.entryId ?? ''] })
  await settle({ done: [before[0]?.entryId ?? '', 'unknown'] })
  assert.equal((await driver.stores.lane.counts('hands')).waiting, 1)
  await add([entry(records[0], { attempts: 2 })])
  const again = (await due()).find(({ record: { position } }) => position === records[0]?.position)
  assert.equal(again?.attempts, 2, 'what is gone can be added again')
}

async function keyOrder({ open, random }: Context): Promise<void> {
  const { add, due, records } = await prepare(await open())
  const keys = ['a', 'b', 'c']
  const entries = records.map((each, at) => entry(each, { laneKey: keys[at % 3], reason: 'requeue' }))
  for (const each of random.shuffled(entries)) await add([each])
  const found = await due()
  assert.equal(found.length, 10)
  for (const [at, key] of keys.entries()) {
    assert.deepEqual(
      found.filter(({ laneKey }) => laneKey === key).map((each) => each.record.position),
      records.filter((_, index) => index % 3 === at).map(({ position }) => position),
    )
  }
  assert.equal(new Set(found.map(({ entryId }) => entryId.length)).size, 1, 'entry ids have one width')
}

async function holdsBackItsKey({ open }: Context): Promise<void> {
  const { add, due, records } = await prepare(await open())
  await add([
    entry(records[0], { laneKey: 'slow', delayMs: HOUR }),
    entry(records[1], { laneKey: 'slow', reason: 'follows' }),
    entry(records[2], { laneKey: 'quick' }),
    entry(records[3], { laneKey: undefined, delayMs: HOUR }),
    entry(records[4], { laneKey: undefined }),
    entry(records[5], { laneKey: 'quick', delayMs: HOUR }),
    entry(records[6], { laneKey: 'quick', reason: 'follows' }),
  ])
  assert.deepEqual(new Set(ids(await due())), new Set([records[2]?.position, records[4]?.position]))
}

async function parking({ open }: Context): Promise<void> {
  const { add, due, settle, records, driver } = await prepare(await open())
  const { lane } = driver.stores
  await settle({ park: ['p', 'empty'] })
  assert.deepEqual(
    await lane.keys(PLACE),
    new Map([
      ['p', { waiting: 0, parked: true }],
      ['empty', { waiting: 0, parked: true }],
    ]),
  )
  await add([
    entry(records[3], { laneKey: 'p', reason: 'parked' }),
    entry(records[5], { laneKey: 'p', reason: 'parked' }),
    entry(records[4], { laneKey: 'free' }),
  ])
  await add([entry(records[1], { laneKey: 'p', reason: 'requeue' })])
  assert.deepEqual(ids(await due()), [records[4]?.position])
  assert.deepEqual((await lane.keys(PLACE)).get('p'), { waiting: 3, parked: true })
  assert.deepEqual(await lane.keys({ ...PLACE, partition: 1 }), new Map(), 'keys belong to their partition')
  await lane.unpark({ ...PLACE, key: 'p' })
  await lane.unpark({ ...PLACE, key: 'p' })
  await lane.unpark({ ...PLACE, key: 'nobody' })
  const freed = (await due()).filter(({ laneKey }) => laneKey === 'p')
  assert.deepEqual(
    ids(freed),
    [1, 3, 5].map((at) => records[at]?.position),
    'in order, the requeued one first',
  )
  await settle({ done: freed.map(({ entryId }) => entryId) })
  await lane.unpark({ ...PLACE, key: 'empty' })
  assert.deepEqual(await lane.keys(PLACE), new Map([['free', { waiting: 1, parked: false }]]))
}

async function bounded({ open }: Context): Promise<void> {
  const { add, records, driver, token } = await prepare(await open())
  const { lane } = driver.stores
  await add([entry(records[0]), entry(records[1])])
  await expectError('lane_full', () => lane.add([entry(records[2]), entry(records[3])], { token, capacity: 3 }))
  assert.equal((await lane.counts('hands')).waiting, 2, 'all or nothing')
  await lane.add([entry(records[0]), entry(records[2])], { token, capacity: 3 })
  assert.equal((await lane.counts('hands')).waiting, 3, 'what waits already takes no room')
  await expectError('lane_full', () => lane.add([entry(records[4])], { capacity: 3 }))
}

async function limited({ open }: Context): Promise<void> {
  const { add, settle, records, driver } = await prepare(await open())
  const { lane } = driver.stores
  await add(records.map((each, at) => entry(each, { laneKey: `k${at % 4}` })))
  const seen = new Set<string>()
  for (let round = 0; round < 4; round += 1) {
    const some = await lane.due({ ...PLACE, limit: 3 })
    assert.ok(some.length <= 3 && some.length > 0)
    for (const each of some) seen.add(each.entryId)
    await settle({ done: some.map(({ entryId }) => entryId) })
  }
  assert.equal(seen.size, 10)
  assert.deepEqual(await lane.due({ ...PLACE, limit: 3 }), [])
}

async function generations({ open }: Context): Promise<void> {
  const { add, due, records } = await prepare(await open())
  await add([
    entry(records[0]),
    entry(records[0], { generation: 1, reason: 'replay', attempts: 0, firstFailedAt: undefined }),
    entry(records[0], { generation: 2, reason: 'replay', attempts: 0, firstFailedAt: undefined }),
    entry(records[0], { generation: 1, reason: 'replay', attempts: 8 }),
  ])
  const found = await due()
  assert.deepEqual(
    found.map(({ generation, attempts, firstFailedAt }) => [generation, attempts, firstFailedAt]),
    [
      [0, 1, 7],
      [1, 0, undefined],
      [2, 0, undefined],
    ],
  )
}

async function counts({ open }: Context): Promise<void> {
  const { add, settle, records, driver } = await prepare(await open())
  const { lane } = driver.stores
  const none = { waiting: 0, due: 0, parked: 0, keys: 0 }
  const never = { isEmpty: true, dueInMs: undefined }
  assert.deepEqual(await lane.counts('hands'), none)
  assert.deepEqual(await lane.next('hands'), never)
  await add([entry(records[0], { laneKey: 'later', delayMs: HOUR })])
  const later = await lane.counts('hands')
  assert.deepEqual([later.waiting, later.due, later.parked, later.keys], [1, 0, 0, 1])
  const soon = await lane.next('hands')
  assert.ok(!soon.isEmpty && (soon.dueInMs ?? 0) > 0)
  await add([entry(records[1], { laneKey: 'now' }), entry(records[2], { laneKey: 'now' })])
  await settle({ park: ['parked'] })
  await add([entry(records[3], { laneKey: 'parked', reason: 'parked' })])
  const all = await lane.counts('hands')
  assert.deepEqual([all.waiting, all.due, all.parked], [4, 2, 1])
  assert.deepEqual(await lane.next('hands'), { isEmpty: false, dueInMs: 0 })
  await driver.transport.ensureGroup('others', ['work'], 'earliest')
  assert.deepEqual(await lane.counts('others'), none, 'each group has its own lane')
  assert.deepEqual(await lane.next('others'), never)
  const token = (await takeOver(driver, 'others', 'work', 'm'))[0]?.token ?? -1
  await lane.settle({ ...PLACE, group: 'others', token, done: [], postponed: [], park: ['alone'] })
  assert.deepEqual(await lane.next('others'), { isEmpty: false, dueInMs: undefined }, 'a key that is parked')
}
