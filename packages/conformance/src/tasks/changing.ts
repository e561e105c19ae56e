import assert from 'node:assert/strict'
import { DEFAULT_QUEUE_SETTINGS } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import type { Property } from '../property.ts'
import { passing } from '../passing-time.ts'
import { HOUR, idsOf, newTask, only, taskBench, taskError } from './task-bench.ts'

/** What operators change, and what is kept of what has ended. */
export const changingProperties: readonly Property[] = [
  { id: '61 a delayed task can be run now', needs: ['tasks'], run: runNow },
  { id: '61 a task that has failed can be added again, edited', needs: ['tasks'], run: addAgain },
  { id: '61 a task that never began is added again as it was', needs: ['tasks'], run: addAgainUnbegun },
  { id: '61 a priority can be changed while a task waits', needs: ['tasks'], run: prioritise },
  { id: '61 a task can be postponed', needs: ['tasks'], run: postpone },
  { id: '61 what has ended can be discarded', needs: ['tasks'], run: discard },
  { id: '61 of two who change a queue at once, one is told', needs: ['tasks', 'secondProcess'], run: putQueue },
  { id: '61 a queue without tasks can be removed', needs: ['tasks'], run: removeQueue },
  { id: '61 the sweep keeps the newest that a queue keeps', needs: ['tasks'], run: byCount },
  { id: '61 the sweep keeps the bytes that a queue keeps', needs: ['tasks'], run: byBytes },
  { id: '61 the sweep removes what is too old', needs: ['tasks'], run: byAge },
  { id: '61 the sweep keeps children until their parent has ended', needs: ['tasks'], run: keepsChildren },
]

async function runNow({ open }: Context): Promise<void> {
  const { add, admin, claim, row, settle } = taskBench(await open())
  const delayed = await add({ delayMs: HOUR })
  const retried = await add()
  const task = only(await claim())
  await settle(task, { as: 'retry', delayMs: HOUR })
  const ready = await add()
  const blocked = newTask({ children: 1, key: 'b' })
  const ids = [delayed, retried, ready, 'nobody']
  const changed = await admin.change(ids, { action: 'run' })
  assert.deepEqual(changed, [delayed, retried])
  assert.deepEqual([(await row(delayed)).state, (await row(delayed)).delayedBy], ['ready', undefined])
  assert.equal((await row(retried)).attempts, 1)
  assert.deepEqual(idsOf(await claim()).toSorted(), [delayed, retried, ready])
  await admin.change([blocked.id], { action: 'run' })
  assert.deepEqual(await admin.change([ready], { action: 'run' }), [], 'what runs is left alone')
}

async function addAgain({ open }: Context): Promise<void> {
  const { addAll, add, admin, claim, row, settle, tasks, states } = taskBench(await open())
  const [one = '', two = '', three = '', four = ''] = await addAll([{}, {}, {}, { expiresInMs: HOUR }])
  const [dead, killed, done, expired] = await claim()
  assert.ok(dead && killed && done && expired)
  await settle(dead, { as: 'retry' })
  await settle(only(await claim()), { as: 'dead', error: taskError() })
  await settle(done, { output: '1' })
  await settle(expired, { as: 'expired' })
  await tasks.reclaim({ worker: 'w', deadAfterCrashes: 1, error: taskError() })
  assert.deepEqual(await states([one, two, three, four]), ['dead', 'dead', 'done', 'expired'])
  const newer = await add()
  const body = '{"edited":true}'
  assert.deepEqual(await admin.change([one, three], { action: 'run', body }), [one])
  assert.deepEqual(await admin.change([two, four], { action: 'run' }), [two, four])
  const again = await row(one)
  assert.deepEqual([again.state, again.attempts, again.crashes, again.body], ['ready', 0, 0, body])
  assert.deepEqual([again.endedAt, again.error, again.starts], [undefined, undefined, 2])
  assert.deepEqual([(await row(two)).state, (await row(two)).crashes], ['ready', 0])
  assert.equal((await row(four)).expiresAt, undefined)
  const claimed = await claim()
  assert.deepEqual(idsOf(claimed), [newer, one, two, four], 'at the end of the order of adding')
  assert.deepEqual([claimed[1]?.body, claimed[1]?.starts, claimed[1]?.attempts], [body, 3, 0])
  assert.equal(await settle(dead), 'fenced', 'a former claim counts no more')
}

async function addAgainUnbegun({ open }: Context): Promise<void> {
  const { admin, add, claim } = taskBench(await open())
  for (const what of [{ tenant: 'acme' }, { key: 'k' }]) {
    const id = await add(what)
    assert.deepEqual(await admin.change([id], { action: 'cancel' }), [id])
    assert.deepEqual(await admin.change([id], { action: 'run' }), [id])
    const { tenant, key, starts, ...claimed } = only(await claim())
    assert.deepEqual([claimed.id, { tenant, key }, starts], [id, { tenant: undefined, key: undefined, ...what }, 1])
  }
}

async function prioritise({ open }: Context): Promise<void> {
  const { addAll, add, admin, claim, put, row, settle } = taskBench(await open())
  await put('q', { key: { concurrency: 1 } })
  const [first, second, third = ''] = await addAll([{}, {}, {}])
  const [keyed = '', , waiting = ''] = await addAll([{ key: 'k' }, { key: 'k' }, { key: 'k' }])
  const delayed = await add({ delayMs: HOUR })
  const ids = [third, waiting, delayed]
  const change = { action: 'prioritise', headStartMs: 2 * HOUR } as const
  assert.deepEqual((await admin.change([...ids, 'nobody'], change)).toSorted(), ids.toSorted())
  await admin.change([first ?? ''], { action: 'prioritise', headStartMs: -HOUR })
  assert.equal((await row(delayed)).headStartMs, 2 * HOUR)
  const claimed = await claim()
  assert.deepEqual(idsOf(claimed), [third, second, keyed, first])
  assert.deepEqual(await admin.change([third], change), [], 'what runs is left alone')
  await settle(claimed[2] ?? { id: '', starts: 0 })
  assert.equal(only(await claim()).id, waiting)
}

async function postpone({ open }: Context): Promise<void> {
  const { addAll, add, admin, claim, put, row, states } = taskBench(await open())
  await put('q', { key: { concurrency: 1 } })
  const [ready = '', next = '', last = ''] = await addAll([{ key: 'k' }, { key: 'k' }, { key: 'k' }])
  const delayed = await add({ delayMs: HOUR })
  const free = await add()
  const later = { action: 'postpone', delayMs: 5 * HOUR } as const
  assert.deepEqual((await admin.change([ready, last, delayed], later)).toSorted(), [ready, last, delayed].toSorted())
  assert.deepEqual(await states([ready, next, last, delayed]), ['delayed', 'ready', 'delayed', 'delayed'])
  for (const id of [ready, last, delayed]) {
    const { dueAt, addedAt, delayedBy } = await row(id)
    assert.ok(dueAt >= addedAt + 5 * HOUR - 1 && delayedBy === 'delay')
  }
  assert.deepEqual(await admin.change([delayed, free], { action: 'postpone', delayMs: 0 }), [delayed, free])
  assert.deepEqual(idsOf(await claim()), [next, delayed, free])
  assert.deepEqual(await admin.change([next, 'nobody'], later), [])
}

async function discard({ open }: Context): Promise<void> {
  const { addAll, admin, claim, settle, tasks, status } = taskBench(await open())
  const ids = await addAll([{}, {}, {}, {}])
  const [done, dead] = await claim({ limit: 3 })
  assert.ok(done && dead)
  await settle(done)
  await settle(dead, { as: 'dead', error: taskError() })
  assert.deepEqual(await admin.change(ids, { action: 'discard' }), ids.slice(0, 2))
  assert.deepEqual(idsOf(await tasks.get(ids)), ids.slice(2))
  const { counts } = await status('q')
  assert.deepEqual([counts.done, counts.dead, counts.running, counts.ready], [0, 0, 1, 1])
  assert.deepEqual(await admin.list({ states: ['done', 'dead'], limit: 9 }), [])
}

async function putQueue({ open, openSecond }: Context): Promise<void> {
  const one = taskBench(await open()).admin
  const other = taskBench(await openSecond()).admin
  const put = (admin: typeof one, expectedVersion: number, note: string): ReturnType<typeof one.putQueue> =>
    admin.putQueue({ name: 'q', expectedVersion, settings: { ...DEFAULT_QUEUE_SETTINGS, fairMs: 5 }, note })
  assert.equal(await put(one, 1, 'early'), undefined)
  const tries = await Promise.all(Array.from({ length: 6 }, (_, at) => put(at % 2 === 0 ? one : other, 0, `try ${at}`)))
  const won = tries.findIndex((each) => each !== undefined)
  assert.deepEqual(
    tries.filter((each) => each !== undefined),
    [{ version: 1 }],
  )
  const [queue] = await other.queues()
  assert.deepEqual([queue?.version, queue?.note], [1, `try ${won}`])
  assert.deepEqual(queue?.settings, { ...DEFAULT_QUEUE_SETTINGS, fairMs: 5 })
  assert.deepEqual(await put(other, 1, 'second'), { version: 2 })
  assert.equal(await put(one, 1, 'late'), undefined)
  assert.equal((await one.queues())[0]?.note, 'second')
  const all = {
    paused: true,
    concurrency: 3,
    rate: { limit: 10, perMs: 60_000 },
    maxWaiting: 9_000,
    key: { order: true, concurrency: 1, rate: { limit: 1, perMs: 500 } },
    fairMs: 250,
    keep: { ageMs: 1_000, count: 0, bytes: 5 },
    keepDead: { ageMs: 10 * 365 * 24 * HOUR, count: 7, bytes: 2 ** 40 },
  }
  await one.putQueue({ name: 'all', expectedVersion: 0, settings: all, note: 'é' })
  assert.deepEqual((await other.queues()).find(({ name }) => name === 'all')?.settings, all)
}

async function removeQueue({ open }: Context): Promise<void> {
  const { add, admin, claim, put, settle } = taskBench(await open())
  const id = await add()
  assert.equal(await admin.removeQueue('q'), false)
  await settle(only(await claim()))
  assert.equal(await admin.removeQueue('q'), false, 'what has ended is a task too')
  await admin.change([id], { action: 'discard' })
  assert.equal(await admin.removeQueue('q'), true)
  assert.equal(await admin.removeQueue('q'), false)
  assert.deepEqual(await admin.queues(), [])
  await put('q', { concurrency: 1 })
  assert.equal(await admin.removeQueue('q'), true)
  await add()
  assert.deepEqual((await admin.queues())[0]?.settings, DEFAULT_QUEUE_SETTINGS)
}

async function byCount({ open }: Context): Promise<void> {
  const { addAll, add, claim, put, settle, sweep, states, tasks } = taskBench(await open())
  const { keep, keepDead } = DEFAULT_QUEUE_SETTINGS
  await put('q', { keep: { ...keep, count: 2 }, keepDead: { ...keepDead, count: 1 } })
  await put('none', { keep: { ...keep, count: 0 } })
  const ids = await addAll(Array.from({ length: 8 }, () => ({})))
  for (const [at, task] of (await claim()).entries()) {
    const as = (['done', 'cancelled', 'dead', 'expired'] as const)[at % 4] ?? 'done'
    await passing(2)
    await settle(task, { as, output: undefined })
  }
  const waiting = await add({ delayMs: HOUR })
  const gone = await add({ queue: 'none' })
  await settle(only(await claim({ queue: 'none' })))
  await sweep()
  assert.deepEqual(idsOf(await tasks.get([...ids, waiting, gone])), [ids[5], ids[6], ids[7], waiting])
  assert.deepEqual(await states(ids.slice(5)), ['cancelled', 'dead', 'expired'])
}

async function byBytes({ open }: Context): Promise<void> {
  const { addAll, claim, put, settle, sweep, tasks } = taskBench(await open())
  const { keep } = DEFAULT_QUEUE_SETTINGS
  await put('q', { keep: { ...keep, bytes: 100_000 } })
  const ids = await addAll(Array.from({ length: 10 }, () => ({ body: JSON.stringify('b'.repeat(10_000)) })))
  for (const task of await claim()) {
    await passing(2)
    await settle(task, { output: JSON.stringify('o'.repeat(10_000)) })
  }
  await sweep()
  const kept = idsOf(await tasks.get(ids))
  assert.ok(kept.length >= 2 && kept.length <= 5, `${kept.length} tasks of 20 kB are kept in 100 kB`)
  assert.deepEqual(kept, ids.slice(-kept.length), 'the newest')
}

async function byAge({ open }: Context): Promise<void> {
  const { add, claim, put, settle, admin, tasks } = taskBench(await open())
  const { keep } = DEFAULT_QUEUE_SETTINGS
  await put('q', { keep: { ...keep, ageMs: 60 } })
  const done = await add()
  const dead = await add()
  const [first, second] = await claim()
  assert.ok(first && second)
  await settle(second, { as: 'dead', error: taskError() })
  await settle(first)
  const waiting = await add()
  await eventually('the old one is gone', async () => {
    await admin.sweep()
    return (await tasks.get([done])).length === 0
  })
  assert.deepEqual(idsOf(await tasks.get([dead, waiting])), [dead, waiting])
}

async function keepsChildren({ open }: Context): Promise<void> {
  const { addAll, claim, put, settle, sweep, tasks, admin } = taskBench(await open())
  await put('q', { keep: { ageMs: 0, count: 0, bytes: 0 } })
  const parent = newTask({ name: 'parent', children: 2 })
  const children = [newTask({ parent: parent.id }), newTask({ parent: parent.id })]
  await addAll([parent, ...children])
  for (const task of await claim()) await settle(task, { output: task.id })
  await sweep()
  assert.deepEqual(await admin.change(idsOf(children), { action: 'discard' }), [])
  const task = only(await claim({ names: ['parent'] }))
  await sweep()
  assert.deepEqual(
    (await tasks.outcomes(parent.id)).map(({ output }) => output),
    idsOf(children),
  )
  await settle(task)
  await sweep()
  assert.deepEqual(await tasks.get([parent.id, ...idsOf(children)]), [])
}
