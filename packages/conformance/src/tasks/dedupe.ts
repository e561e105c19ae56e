import assert from 'node:assert/strict'
import type { TaskDedupe } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import type { Property } from '../property.ts'
import { HOUR, idsOf, newTask, only, taskBench, type TaskBench, type TaskWish } from './task-bench.ts'

/** What dedupe keys of tasks must do. */
export const taskDedupeProperties: readonly Property[] = [
  { id: '55 a dedupe key lets one task in until it ends', needs: ['tasks'], run: untilEnd },
  { id: '55 a dedupe key lets one task in until it starts', needs: ['tasks'], run: untilStart },
  { id: '55 a dedupe key lets one task in within its window', needs: ['tasks'], run: untilWindow },
  { id: '55 replace gives the holder the new body, head start and expiry', needs: ['tasks'], run: replace },
  { id: '55 debounce begins the delay anew', needs: ['tasks'], run: debounce },
  { id: '55 debounce to now leaves a task the token of its key', needs: ['tasks'], run: debounceKeepsToken },
  { id: '55 debounce to now is before what comes in the same call', needs: ['tasks'], run: debounceBeforeNew },
  { id: '55 debounce to now keeps the order of a key within a call', needs: ['tasks'], run: debounceBeforeNewInOrder },
  { id: '55 replace adds a task when the holder runs', needs: ['tasks'], run: replaceRunning },
  { id: '55 of many that add at once under a dedupe key, one does', needs: ['tasks', 'secondProcess'], run: race },
]

function dedupe(wish: Partial<TaskDedupe> = {}): TaskDedupe {
  return { key: 'd', mode: 'keep', until: 'end', windowMs: undefined, ...wish }
}

/** Adds a task that is expected to be a duplicate of another. */
async function refused({ tasks }: TaskBench, of: string, wish: TaskWish): Promise<void> {
  const task = newTask(wish)
  assert.deepEqual(await tasks.enqueue([task]), [{ outcome: 'duplicate', id: of }])
  assert.deepEqual(await tasks.get([task.id]), [])
}

async function untilEnd({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { add, claim, settle, row, tasks } = bench
  const first = await add({ dedupe: dedupe() })
  assert.equal((await row(first)).dedupeKey, 'd')
  await refused(bench, first, { dedupe: dedupe(), body: '"other"' })
  await refused(bench, first, { dedupe: dedupe({ until: 'start' }) })
  await add({ dedupe: dedupe({ key: 'other' }) })
  await add({ dedupe: dedupe(), queue: 'other' })
  const [task] = await claim({ limit: 1 })
  assert.equal(task?.id, first)
  await refused(bench, first, { dedupe: dedupe() })
  await settle(task, { as: 'retry', delayMs: HOUR })
  await refused(bench, first, { dedupe: dedupe() })
  await bench.admin.change([first], { action: 'cancel' })
  const second = await add({ dedupe: dedupe() })
  const twins = [newTask({ dedupe: dedupe({ key: 'twin' }) }), newTask({ dedupe: dedupe({ key: 'twin' }) })]
  const of = twins[0]?.id
  assert.deepEqual(await tasks.enqueue(twins), [
    { outcome: 'stored', id: of },
    { outcome: 'duplicate', id: of },
  ])
  const again = (await claim({ limit: 9 })).find(({ id }) => id === second)
  assert.ok(again)
  await settle(again)
  await add({ dedupe: dedupe() })
}

async function untilStart({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { add, claim, settle } = bench
  const first = await add({ dedupe: dedupe({ until: 'start' }) })
  await refused(bench, first, { dedupe: dedupe({ until: 'start' }) })
  const task = only(await claim())
  const second = await add({ dedupe: dedupe({ until: 'start' }), delayMs: HOUR })
  await settle(task, { as: 'retry' })
  await refused(bench, second, { dedupe: dedupe() })
  await settle(only(await claim()))
  await refused(bench, second, { dedupe: dedupe() })
  await bench.admin.change([second], { action: 'cancel' })
  await add({ dedupe: dedupe() })
}

async function untilWindow({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { add, claim, settle, admin, sweep } = bench
  const first = await add({ dedupe: dedupe({ until: 'window', windowMs: HOUR }) })
  await settle(only(await claim()))
  await refused(bench, first, { dedupe: dedupe() })
  await admin.change([first], { action: 'discard' })
  await sweep()
  await refused(bench, first, { dedupe: dedupe() })
  const short = dedupe({ key: 'short', until: 'window', windowMs: 120 })
  const began = performance.now()
  const holder = await add({ dedupe: short })
  await eventually('the window is over', async () => {
    const task = newTask({ dedupe: short })
    const { outcome, id } = only(await bench.tasks.enqueue([task]))
    assert.equal(id, outcome === 'stored' ? task.id : holder)
    return outcome === 'stored'
  })
  const waited = performance.now() - began
  assert.ok(waited >= 115, `the window was over after ${waited} ms, before its 120 ms`)
}

async function replace({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { add, claim, row, put, states } = bench
  await put('q', { key: { concurrency: 1 } })
  const other = await add()
  const first = await add({ dedupe: dedupe(), body: '"old"', key: 'k' })
  const waiting = await add({ dedupe: dedupe({ key: 'w' }), key: 'k' })
  const delayed = await add({ dedupe: dedupe({ key: 'l' }), delayMs: HOUR, key: 'k' })
  const before = await row(delayed)
  const mode = 'replace'
  const change = { body: '"new"', headStartMs: HOUR, expiresInMs: 2 * HOUR }
  await refused(bench, first, { dedupe: dedupe({ mode }), ...change, delayMs: HOUR })
  await refused(bench, waiting, { dedupe: dedupe({ mode, key: 'w' }), ...change })
  await refused(bench, delayed, { dedupe: dedupe({ mode, key: 'l' }), ...change })
  assert.deepEqual(await states([first, waiting, delayed]), ['ready', 'waiting', 'delayed'], 'only debounce delays')
  for (const id of [first, waiting, delayed]) {
    const { body, headStartMs, expiresAt = 0, addedAt } = await row(id)
    assert.deepEqual([body, headStartMs], ['"new"', HOUR])
    assert.ok(expiresAt > addedAt + HOUR)
  }
  assert.equal((await row(delayed)).dueAt, before.dueAt)
  const claimed = await claim()
  assert.deepEqual(idsOf(claimed), [first, other], 'the rank has changed')
  assert.equal(claimed[0]?.body, '"new"')
}

async function debounce({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { add, claim, row } = bench
  const mode = 'debounce'
  const first = await add({ dedupe: dedupe({ mode }), delayMs: HOUR })
  const before = await row(first)
  await refused(bench, first, { dedupe: dedupe({ mode }), delayMs: 3 * HOUR, body: '"two"' })
  const put = await row(first)
  assert.deepEqual([put.state, put.body, put.delayedBy], ['delayed', '"two"', 'delay'])
  assert.ok(put.dueAt >= before.dueAt + 2 * HOUR - 1, 'the delay begins anew')
  assert.equal(put.addedAt, before.addedAt)
  const ready = await add({ dedupe: dedupe({ mode, key: 'r' }) })
  await refused(bench, ready, { dedupe: dedupe({ mode, key: 'r' }), delayMs: HOUR })
  assert.deepEqual(await claim(), [], 'also of what was ready already')
  await refused(bench, ready, { dedupe: dedupe({ mode, key: 'r' }), delayMs: 0, body: '"last"' })
  const task = only(await claim())
  assert.deepEqual([task.id, task.body, task.starts], [ready, '"last"', 1])
}

async function debounceKeepsToken({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  for (const [queue, order] of [
    ['in order', true],
    ['by rank', false],
  ] as const) {
    await bench.put(queue, { key: { order, rate: { limit: 1, perMs: HOUR } } })
    const wish = { queue, key: 'k', dedupe: dedupe({ mode: 'debounce' }) }
    const id = await bench.add(wish)
    await refused(bench, id, wish)
    assert.deepEqual(await bench.states([id]), ['ready'], 'its token is still there')
    assert.deepEqual(idsOf(await bench.claim({ queue })), [id])
  }
}

/** A key in order begins with what was added first, also where a debounce lets that come only behind another of the same call. */
async function debounceBeforeNewInOrder({ open }: Context): Promise<void> {
  const { put, states, tasks, add } = taskBench(await open())
  await put('q', { key: { order: true } })
  const wish = { key: 'k', dedupe: dedupe({ mode: 'debounce' }) }
  const holder = await add({ ...wish, delayMs: HOUR })
  const fresh = newTask({ key: 'k' })
  await tasks.enqueue([fresh, newTask(wish)])
  assert.deepEqual(await states([holder, fresh.id]), ['ready', 'waiting'])
}

/** Equal ranks go in the order of adding, also of a task that begins anew at the time at which others are added. */
async function debounceBeforeNew({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { add, claim, put, states, tasks } = bench
  await put('q', { key: { rate: { limit: 1, perMs: HOUR } } })
  for (const key of ['before', 'after']) {
    await add({ key })
    assert.equal((await claim()).length, 1)
    const wish = { key, dedupe: dedupe({ key, mode: 'debounce' }) }
    const holder = await add(wish)
    assert.deepEqual(await states([holder]), ['delayed'], 'it is held for its rate')
    const [again, fresh] = [newTask(wish), newTask({ key })]
    await tasks.enqueue(key === 'before' ? [again, fresh] : [fresh, again])
    assert.deepEqual(await states([holder, fresh.id]), ['delayed', 'waiting'])
  }
}

async function replaceRunning({ open }: Context): Promise<void> {
  for (const mode of ['replace', 'debounce'] as const) {
    const bench = taskBench(await open())
    const { add, claim, settle, row } = bench
    const queue = mode
    const first = await add({ queue, dedupe: dedupe(), body: '"old"' })
    const task = only(await claim({ queue }))
    const second = await add({ queue, dedupe: dedupe({ mode }), body: '"new"' })
    assert.equal((await row(first)).body, '"old"')
    await settle(task)
    await refused(bench, second, { queue, dedupe: dedupe() })
    await settle(only(await claim({ queue })))
    await add({ queue, dedupe: dedupe() })
  }
}

async function race({ open, openSecond }: Context): Promise<void> {
  const benches = [taskBench(await open()), taskBench(await openSecond())]
  const wanted = Array.from({ length: 24 }, (_, at) => newTask({ dedupe: dedupe({ key: `d${at % 2}` }) }))
  const outcomes = await Promise.all(
    wanted.map(async (task, at) => only((await benches[at % 2]?.tasks.enqueue([task])) ?? [])),
  )
  for (const parity of [0, 1]) {
    const mine = outcomes.filter((_, at) => at % 2 === parity)
    const holder = only(mine.filter(({ outcome }) => outcome === 'stored')).id
    assert.ok(
      mine.every(({ id }) => id === holder),
      'all are told who holds the key',
    )
  }
  assert.equal((await benches[0]?.claim())?.length, 2)
}
