import assert from 'node:assert/strict'
import type { Context } from '../context.ts'
import type { Property } from '../property.ts'
import { HOUR, newTask, only, taskBench, type TaskBench, type TaskWish } from './task-bench.ts'

/** What a bound of a queue must do. */
export const boundProperties: readonly Property[] = [
  { id: '67 a queue takes no more tasks than may wait', needs: ['tasks'], run: bound },
  { id: '67 what adds nothing is not refused by a full queue', needs: ['tasks'], run: addsNothing },
  { id: '67 a flow comes as a whole or not at all', needs: ['tasks'], run: flows },
  { id: '67 what comes back is never refused', needs: ['tasks'], run: comesBack },
  { id: '67 two processes keep to one bound', needs: ['tasks', 'secondProcess'], run: together },
]

/** Adds one task; says whether there was room. */
async function comes({ tasks }: TaskBench, wish: TaskWish = {}): Promise<boolean> {
  const task = newTask(wish)
  const outcome = only(await tasks.enqueue([task]))
  assert.deepEqual(outcome, { outcome: outcome.outcome, id: task.id })
  assert.ok(outcome.outcome === 'stored' || outcome.outcome === 'full', outcome.outcome)
  assert.equal((await tasks.get([task.id])).length, outcome.outcome === 'stored' ? 1 : 0)
  return outcome.outcome === 'stored'
}

async function bound({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { put, status, claim, settle, admin, tasks, add } = bench
  await put('q', { maxWaiting: 4, key: { concurrency: 1 } })
  assert.equal((await status('q')).settings.maxWaiting, 4)
  const delayed = newTask({ delayMs: HOUR })
  await tasks.enqueue([delayed])
  assert.equal(await comes(bench, { key: 'k' }), true)
  assert.equal(await comes(bench, { key: 'k' }), true, 'waits for its key')
  assert.deepEqual(await tasks.full(['q', 'other', 'nobody made it']), [])
  assert.equal(await comes(bench, { name: 'other' }), true)
  assert.deepEqual(await tasks.full(['q', 'other', 'nobody made it']), ['q'])
  for (const wish of [{}, { delayMs: HOUR }, { key: 'k' }, { name: 'new', headStartMs: 5 }])
    assert.equal(await comes(bench, wish), false, JSON.stringify(wish))
  await add({ queue: 'other' })
  const [first, second] = await claim({ limit: 9 })
  assert.ok(first && second === undefined, 'one is delayed, one waits for its key, one has another name')
  assert.equal(await comes(bench), true, 'what runs does not count')
  assert.equal(await comes(bench), false)
  await settle(first)
  assert.equal(await comes(bench), false, 'nor does what has ended')
  await admin.change([delayed.id], { action: 'cancel' })
  assert.equal(await comes(bench), true)
  await put('q', { maxWaiting: 6 })
  const many = Array.from({ length: 5 }, () => newTask())
  const elsewhere = newTask({ queue: 'other' })
  assert.deepEqual(
    (await tasks.enqueue([...many, elsewhere])).map(({ outcome }) => outcome),
    ['stored', 'stored', 'full', 'full', 'full', 'stored'],
    'in their order',
  )
  assert.equal(await comes(bench), false)
  await put('q', { maxWaiting: undefined })
  assert.equal(await comes(bench), true)
}

async function addsNothing({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { put, tasks, row } = bench
  await put('q', { maxWaiting: 2 })
  const first = newTask({ dedupe: { key: 'd', mode: 'replace', until: 'end', windowMs: undefined } })
  const second = newTask()
  await tasks.enqueue([first, second])
  const [twin, fresh, elsewhere] = [
    newTask({ dedupe: first.dedupe, body: '"new"' }),
    newTask(),
    newTask({ queue: 'r' }),
  ]
  const alone = newTask({ dedupe: { key: 'free', mode: 'keep', until: 'end', windowMs: undefined } })
  assert.deepEqual(await tasks.enqueue([second, { ...second, body: '"other"' }, twin, fresh, elsewhere, alone]), [
    { outcome: 'stored', id: second.id },
    { outcome: 'taken', id: second.id, name: second.name, body: second.body },
    { outcome: 'duplicate', id: first.id },
    { outcome: 'full', id: fresh.id },
    { outcome: 'stored', id: elsewhere.id },
    { outcome: 'full', id: alone.id },
  ])
  assert.equal((await row(first.id)).body, '"new"')
  assert.deepEqual(await tasks.get([fresh.id, alone.id]), [])
  await put('q', { maxWaiting: 3 })
  assert.equal(await comes(bench, { dedupe: alone.dedupe }), true, 'what was refused holds no dedupe key')
}

async function flows({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { put, tasks } = bench
  await put('small', { maxWaiting: 1 })
  await put('q', { maxWaiting: 100 })
  await tasks.enqueue([newTask({ queue: 'small' })])
  const root = newTask({ children: 2 })
  const middle = newTask({ parent: root.id, children: 1 })
  const flow = [root, newTask({ parent: root.id }), middle, newTask({ parent: middle.id, queue: 'small' })]
  const other = newTask({ children: 1 })
  const fits = [other, newTask({ parent: other.id }), newTask({ key: 'k' })]
  assert.deepEqual(await tasks.enqueue([...flow, ...fits]), [
    ...flow.map(({ id }) => ({ outcome: 'full', id })),
    ...fits.map(({ id }) => ({ outcome: 'stored', id })),
  ])
  assert.deepEqual(await tasks.get(flow.map(({ id }) => id)), [])
  assert.equal((await bench.row(other.id)).pendingChildren, 1)
  await put('small', { maxWaiting: 2 })
  assert.deepEqual(
    await tasks.enqueue(flow),
    flow.map(({ id }) => ({ outcome: 'stored', id })),
  )
  assert.deepEqual(
    await tasks.enqueue(flow),
    flow.map(({ id }) => ({ outcome: 'stored', id })),
    'a resend is none of its business',
  )
  await put('small', { maxWaiting: 3 })
  const large = newTask({ queue: 'small', children: 2 })
  const whole = [large, newTask({ queue: 'small', parent: large.id }), newTask({ parent: large.id })]
  const late = newTask({ queue: 'small' })
  assert.deepEqual(
    (await tasks.enqueue([...whole, late])).map(({ outcome }) => outcome),
    ['stored', 'stored', 'stored', 'full'],
    'a flow that begins to fit comes as a whole',
  )
}

async function comesBack({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { put, claim, settle, admin, schedules, states, add, tasks } = bench
  const [retried, released, dead] = [await add(), await add(), await add()]
  const claimed = await claim({ limit: 3 })
  await put('q', { maxWaiting: 1 })
  assert.equal(await comes(bench, { headStartMs: -HOUR }), true)
  const ends = ['retry', 'release', 'dead'] as const
  for (const [at, task] of claimed.entries()) await settle(task, { as: ends[at] ?? 'done' })
  await admin.change([dead], { action: 'run' })
  assert.deepEqual(await states([retried, released, dead]), ['ready', 'ready', 'ready'])
  const row = await schedules.put({ name: 's', spec: '{}', nextAt: 1, lastAt: undefined }, 0)
  assert.ok(row)
  const fired = newTask()
  assert.equal(await schedules.fire({ row, tasks: [fired] }), true, 'who fires asks before')
  assert.deepEqual(await states([fired.id]), ['ready'])
  assert.deepEqual(await tasks.full(['q']), ['q'])
  assert.equal(await comes(bench), false)
}

async function together({ open, openSecond }: Context): Promise<void> {
  const benches = [taskBench(await open()), taskBench(await openSecond())]
  const [first, second] = benches
  assert.ok(first && second)
  await first.put('q', { maxWaiting: 20 })
  const wanted = Array.from({ length: 60 }, () => newTask())
  const outcomes = await Promise.all(
    wanted.map(async (task, at) => only((await benches[at % 2]?.tasks.enqueue([task])) ?? [])),
  )
  const stored = outcomes.filter(({ outcome }) => outcome === 'stored').length
  assert.ok(stored >= 20, `only ${stored} came`)
  assert.equal((await second.status('q')).counts.ready, stored)
  assert.equal(await comes(first), false)
  assert.equal(await comes(second), false)
  assert.equal((await first.claim({ limit: stored - 19 })).length, stored - 19)
  assert.equal(await comes(second), true)
  assert.equal(await comes(first), false)
}
