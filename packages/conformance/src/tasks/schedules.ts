import assert from 'node:assert/strict'
import type { ScheduleRow } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { expectError } from '../expect-error.ts'
import type { Property } from '../property.ts'
import { idsOf, newTask, taskBench } from './task-bench.ts'

/** What schedules and settings must do. */
export const scheduleProperties: readonly Property[] = [
  { id: '62 a schedule changes only under its version', needs: ['tasks'], run: versions },
  { id: '62 due schedules come earliest first, with the next time', needs: ['tasks'], run: due },
  { id: '62 schedules are listed by name, page by page', needs: ['tasks'], run: list },
  { id: '62 of many that fire a schedule at once, one does', needs: ['tasks', 'secondProcess'], run: fireOnce },
  { id: '62 a firing stores the row and adds its tasks in one step', needs: ['tasks'], run: fire },
  { id: '62 schedules and settings outlive a restart', needs: ['tasks', 'restart'], run: outlive },
  { id: '63 a setting changes only under its version', needs: ['tasks', 'secondProcess'], run: settings },
  { id: '63 settings are listed by prefix', needs: ['tasks'], run: prefixes },
]

const T0 = 1_800_000_000_000

function schedule(name: string, wish: Partial<ScheduleRow> = {}): Omit<ScheduleRow, 'version'> {
  const { version: _version, ...rest } = {
    version: 0,
    name,
    spec: `{"of":"${name}"}`,
    nextAt: T0,
    lastAt: undefined,
    ...wish,
  }
  return rest
}

async function versions({ open }: Context): Promise<void> {
  const { schedules } = taskBench(await open())
  assert.equal(await schedules.get('a'), undefined)
  assert.equal(await schedules.put(schedule('a'), 1), undefined)
  assert.deepEqual(await schedules.put(schedule('a'), 0), { ...schedule('a'), version: 1 })
  assert.equal(await schedules.put(schedule('a', { spec: 'late' }), 0), undefined)
  const paused = schedule('a', { nextAt: undefined, lastAt: T0 - 5, spec: '{"é":"\'"}' })
  assert.deepEqual(await schedules.put(paused, 1), { ...paused, version: 2 })
  assert.deepEqual(await schedules.get('a'), { ...paused, version: 2 })
  assert.equal(await schedules.put(schedule('a'), 1), undefined)
  assert.equal(await schedules.remove('a'), true)
  assert.equal(await schedules.remove('a'), false)
  assert.equal(await schedules.put(schedule('a'), 2), undefined)
  assert.equal((await schedules.put(schedule('a'), 0))?.version, 1)
}

async function due({ open, random }: Context): Promise<void> {
  const { schedules } = taskBench(await open())
  assert.deepEqual(await schedules.due(T0, 10), { due: [], nextAt: undefined })
  const offsets = random.shuffled([-3_000, -2_000, -1_000, 0, 1, 4_000, 5_000])
  for (const offset of offsets) await schedules.put(schedule(`at ${offset}`, { nextAt: T0 + offset }), 0)
  await schedules.put(schedule('never', { nextAt: undefined }), 0)
  const all = await schedules.due(T0, 10)
  assert.deepEqual(
    all.due.map(({ nextAt = 0 }) => nextAt - T0),
    [-3_000, -2_000, -1_000, 0],
  )
  assert.equal(all.nextAt, T0 + 1)
  assert.deepEqual(all.due[0], { ...schedule('at -3000', { nextAt: T0 - 3_000 }), version: 1 })
  assert.deepEqual(
    (await schedules.due(T0, 2)).due.map(({ name }) => name),
    ['at -3000', 'at -2000'],
  )
  await schedules.put(schedule('at -3000', { nextAt: T0 + 9_000 }), 1)
  await schedules.remove('at -2000')
  const later = await schedules.due(T0 + 5_000, 2)
  assert.deepEqual([later.due.map(({ name }) => name), later.nextAt], [['at -1000', 'at 0'], T0 + 9_000])
  assert.equal((await schedules.due(T0 + 9_000, 9)).nextAt, undefined)
}

async function list({ open, random }: Context): Promise<void> {
  const { schedules } = taskBench(await open())
  const names = ['B', 'a', 'a/b', 'b', 'c:1', 'é']
  for (const name of random.shuffled(names)) await schedules.put(schedule(name), 0)
  assert.deepEqual(
    (await schedules.list({ limit: 100 })).map(({ name }) => name),
    names,
  )
  const seen: string[] = []
  for (;;) {
    const after = seen.at(-1)
    const page = await schedules.list({ limit: 2, ...(after === undefined ? {} : { after }) })
    seen.push(...page.map(({ name }) => name))
    if (page.length < 2) break
  }
  assert.deepEqual(seen, names)
}

async function fireOnce({ open, openSecond }: Context): Promise<void> {
  const benches = [taskBench(await open()), taskBench(await openSecond())]
  const [first] = benches
  assert.ok(first)
  const stored = await first.schedules.put(schedule('s'), 0)
  assert.ok(stored)
  let row: ScheduleRow = stored
  for (let round = 1; round <= 4; round += 1) {
    const firings = Array.from({ length: 8 }, (_, at) => ({
      row: { ...row, nextAt: T0 + round * 1_000, lastAt: row.nextAt },
      tasks: [newTask({ id: `fired ${round} by ${at}` }), newTask({ id: `also ${round} by ${at}` })],
    }))
    const fired: readonly boolean[] = await Promise.all(
      firings.map((firing, at) => (benches[at % 2] ?? first).schedules.fire(firing)),
    )
    assert.equal(fired.filter(Boolean).length, 1, 'one fires')
    const winner = fired.indexOf(true)
    assert.deepEqual(idsOf(await first.claim({ limit: 99 })), [
      `fired ${round} by ${winner}`,
      `also ${round} by ${winner}`,
    ])
    const next = await first.schedules.get('s')
    assert.deepEqual(next, { ...row, nextAt: T0 + round * 1_000, lastAt: row.nextAt, version: round + 1 })
    row = next
  }
}

async function fire({ open }: Context): Promise<void> {
  const { schedules, tasks, add, states } = taskBench(await open())
  const row = await schedules.put(schedule('s'), 0)
  assert.ok(row)
  const known = await add()
  const fresh = newTask({ delayMs: 3_600_000 })
  assert.equal(await schedules.fire({ row: { ...row, version: 7 }, tasks: [fresh] }), false)
  assert.equal(await schedules.fire({ row: { ...row, name: 'nobody' }, tasks: [fresh] }), false)
  assert.deepEqual(await tasks.get([fresh.id]), [], 'nothing is added')
  assert.equal(await schedules.get('nobody'), undefined)
  const ended = { ...row, nextAt: undefined, lastAt: T0 }
  assert.equal(await schedules.fire({ row: ended, tasks: [newTask({ id: known, body: '"other"' }), fresh] }), true)
  assert.deepEqual(await schedules.get('s'), { ...ended, version: 2 })
  assert.deepEqual(await states([known, fresh.id]), ['ready', 'delayed'])
  assert.deepEqual(await schedules.due(T0 * 2, 9), { due: [], nextAt: undefined })
  assert.equal(await schedules.fire({ row: { ...ended, version: 2 }, tasks: [] }), true, 'also without tasks')
  await schedules.remove('s')
  assert.equal(await schedules.fire({ row: { ...ended, version: 3 }, tasks: [newTask()] }), false)
}

async function outlive(context: Context): Promise<void> {
  const { schedules, settings } = taskBench(await context.open())
  await schedules.put(schedule('s'), 0)
  await settings.put('mode', '"async"', 0)
  const again = taskBench(await context.restart())
  assert.deepEqual((await again.schedules.due(T0, 9)).due, [{ ...schedule('s'), version: 1 }])
  assert.deepEqual(await again.settings.get('mode'), { name: 'mode', value: '"async"', version: 1 })
}

async function settings({ open, openSecond }: Context): Promise<void> {
  const one = taskBench(await open()).settings
  const other = taskBench(await openSecond()).settings
  assert.equal(await one.get('a'), undefined)
  assert.equal(await one.put('a', 'early', 3), undefined)
  const tries = await Promise.all(
    Array.from({ length: 6 }, (_, at) => (at % 2 === 0 ? one : other).put('a', `try ${at}`, 0)),
  )
  const won = tries.findIndex((each) => each !== undefined)
  assert.deepEqual(
    tries.filter((each) => each !== undefined),
    [{ version: 1 }],
  )
  assert.deepEqual(await other.get('a'), { name: 'a', value: `try ${won}`, version: 1 })
  assert.deepEqual(await other.put('a', 'é \' "', 1), { version: 2 })
  assert.equal(await one.put('a', 'late', 1), undefined)
  assert.equal(await one.put('a', undefined, 1), undefined)
  assert.deepEqual(await one.get('a'), { name: 'a', value: 'é \' "', version: 2 })
  assert.deepEqual(await one.put('a', undefined, 2), { version: 0 })
  assert.equal(await other.get('a'), undefined)
  assert.deepEqual(await other.put('a', '', 0), { version: 1 }, 'a removed name begins anew')
  const largest = 'x'.repeat(65_536)
  assert.deepEqual(await one.put('large', largest, 0), { version: 1 })
  assert.equal((await other.get('large'))?.value, largest)
  await expectError('limit_exceeded', () => one.put('larger', `${largest}x`, 0))
}

async function prefixes({ open }: Context): Promise<void> {
  const { settings: store } = taskBench(await open())
  for (const name of ['b:2', 'a', 'b:1', 'b%', 'b_x', 'B:1', 'bc', 'b:é']) await store.put(name, name, 0)
  const listed = async (prefix: string): Promise<string[]> => (await store.list(prefix)).map(({ name }) => name)
  assert.deepEqual(await listed('b:'), ['b:1', 'b:2', 'b:é'])
  assert.deepEqual(await listed('b%'), ['b%'])
  assert.deepEqual(await listed('b_'), ['b_x'])
  assert.deepEqual(await listed('none'), [])
  assert.deepEqual(await listed(''), ['B:1', 'a', 'b%', 'b:1', 'b:2', 'b:é', 'b_x', 'bc'])
  assert.deepEqual(await store.list('a'), [{ name: 'a', value: 'a', version: 1 }])
}
