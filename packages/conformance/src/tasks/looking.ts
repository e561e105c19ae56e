import assert from 'node:assert/strict'
import type { TaskQuery } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import type { Property } from '../property.ts'
import { passing } from '../passing-time.ts'
import { HOUR, idsOf, newTask, only, taskBench, taskError, type TaskBench } from './task-bench.ts'

/** What operators see of tasks and queues. */
export const lookingProperties: readonly Property[] = [
  { id: '60 tasks are listed in order, page by page', needs: ['tasks'], run: list },
  { id: '60 a list goes on behind what has moved on', needs: ['tasks'], run: movedOn },
  { id: '60 tasks are found by what they are', needs: ['tasks'], run: filters },
  { id: '60 dead tasks are counted by fingerprint', needs: ['tasks'], run: deadCounts },
  { id: '60 a task knows how many are ahead of it', needs: ['tasks'], run: ahead },
  { id: '60 the counts of a queue are true', needs: ['tasks'], run: counts },
]

/** Lists page by page. */
async function listAll({ admin }: TaskBench, query: Omit<TaskQuery, 'limit'> = {}, limit = 2): Promise<string[]> {
  const ids: string[] = []
  for (;;) {
    const after = ids.at(-1)
    const page = await admin.list({ ...query, limit, ...(after === undefined ? {} : { after }) })
    ids.push(...idsOf(page))
    if (page.length < limit) return ids
  }
}

async function list({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { add, claim, settle, put } = bench
  await put('q', { key: { order: true } })
  const ids = [await add(), await add(), await add(), await add({ delayMs: HOUR })]
  ids.push(await add({ key: 'k' }), await add({ key: 'k', headStartMs: HOUR }), await add({ queue: 'other' }))
  const [first, second, third] = await claim({ limit: 3 })
  assert.ok(first && second && third)
  await settle(second)
  await passing(2)
  await settle(first, { as: 'dead', error: taskError() })
  const unfinished = ids.slice(2)
  const ended = [first.id, second.id]
  assert.deepEqual(await listAll(bench), [...unfinished, ...ended])
  assert.deepEqual(await listAll(bench, {}, 100), [...unfinished, ...ended])
  assert.deepEqual(await listAll(bench, { states: ['done', 'dead'] }, 1), ended)
  const states = ['running', 'delayed', 'waiting', 'ready'] as const
  assert.deepEqual(await listAll(bench, { states }), unfinished)
  assert.deepEqual(await listAll(bench, { queue: 'q', states: ['waiting'] }), [ids[5]])
  assert.deepEqual(await bench.admin.list({ limit: 1 }), [await bench.row(ids[2] ?? '')])
}

async function movedOn({ open }: Context): Promise<void> {
  const { addAll, admin, claim, settle } = taskBench(await open())
  const ids = await addAll([{}, {}, {}, {}])
  const query = { queue: 'q', states: ['ready', 'delayed'] as const, limit: 2 }
  assert.deepEqual(idsOf(await admin.list(query)), ids.slice(0, 2))
  const [first, last] = await claim({ limit: 2 })
  assert.ok(first && last)
  assert.deepEqual(idsOf(await admin.list({ ...query, after: last.id })), ids.slice(2), 'it runs')
  await settle(first)
  await admin.change([first.id], { action: 'discard' })
  assert.deepEqual(await admin.list({ ...query, after: first.id }), [], 'where it was, nobody knows')
  assert.deepEqual(await admin.list({ queue: 'q', limit: 2, after: 'nobody' }), [])
}

async function filters({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { add, addAll, claim, settle, row } = bench
  const a = await add({ name: 'a', key: 'k', tenant: 't' })
  const b = await add({ name: 'b', key: 'k', tenant: 'u' })
  const parent = newTask({ name: 'parent', children: 1 })
  const child = newTask({ name: 'child', parent: parent.id })
  await addAll([parent, child])
  const names = ['a', 'b']
  for (const task of await claim({ names })) {
    await passing(2)
    await settle(task, { as: 'dead', error: taskError(`of ${task.name}`) })
  }
  assert.deepEqual(await listAll(bench, { name: 'b' }), [b])
  assert.deepEqual(await listAll(bench, { key: 'k' }), [b, a])
  assert.deepEqual(await listAll(bench, { tenant: 't' }), [a])
  assert.deepEqual(await listAll(bench, { parent: parent.id }), [child.id])
  assert.deepEqual(await listAll(bench, { fingerprint: 'of a' }), [a])
  assert.deepEqual(await listAll(bench, { queue: 'none' }), [])
  assert.deepEqual(await listAll(bench, { queue: 'q', states: ['dead'], key: 'k', fingerprint: 'of b' }), [b])
  const { addedAt } = await row(child.id)
  assert.deepEqual(await listAll(bench, { name: 'child', since: addedAt, until: addedAt + 1 }), [child.id])
  assert.deepEqual(await listAll(bench, { name: 'child', since: addedAt + 1 }), [])
  assert.deepEqual(await listAll(bench, { name: 'child', until: addedAt }), [])
  const { endedAt = 0 } = await row(a)
  assert.deepEqual(await listAll(bench, { name: 'a', since: endedAt, until: endedAt + 1 }), [a])
  assert.deepEqual(await listAll(bench, { name: 'a', until: endedAt }), [])
}

async function deadCounts({ open }: Context): Promise<void> {
  const { addAll, claim, settle, admin, row } = taskBench(await open())
  await addAll([{}, {}, {}, {}, { queue: 'other' }])
  const claimed = [...(await claim()), ...(await claim({ queue: 'other' }))]
  const last = claimed[2]
  assert.ok(last)
  for (const [at, task] of claimed.entries()) {
    await passing(2)
    if (at === 3) await settle(task)
    else await settle(task, { as: 'dead', error: taskError(at === 1 ? 'two' : 'one', `message ${at}`) })
  }
  const { endedAt: lastFailedAt } = await row(last.id)
  const all = (await admin.deadCounts()).toSorted((x, y) =>
    `${x.queue}${x.fingerprint}`.localeCompare(`${y.queue}${y.fingerprint}`),
  )
  assert.deepEqual(
    all.map(({ queue, fingerprint, count, message, code }) => [queue, fingerprint, count, message, code]),
    [
      ['other', 'one', 1, 'message 4', 'handler_failed'],
      ['q', 'one', 2, 'message 2', 'handler_failed'],
      ['q', 'two', 1, 'message 1', 'handler_failed'],
    ],
  )
  assert.equal(all[1]?.lastFailedAt, lastFailedAt)
  assert.deepEqual(
    (await admin.deadCounts({ queue: 'other' })).map(({ count }) => count),
    [1],
  )
  await admin.change([last.id], { action: 'run' })
  const counts = await admin.deadCounts({ queue: 'q' })
  assert.equal(counts.find(({ fingerprint }) => fingerprint === 'one')?.count, 1)
}

async function ahead({ open }: Context): Promise<void> {
  const { add, addAll, claim, admin, put } = taskBench(await open())
  await put('q', { key: { concurrency: 1 } })
  const ids = await addAll(Array.from({ length: 6 }, () => ({})))
  const [keyed = '', waiting = ''] = await addAll([{ key: 'k' }, { key: 'k' }])
  const urgent = await add({ headStartMs: HOUR, name: 'other' })
  const delayed = await add({ delayMs: HOUR, headStartMs: 3 * HOUR })
  await add({ queue: 'other', headStartMs: 2 * HOUR })
  const aheadOf = (id: string, limit = 100): Promise<number | undefined> => admin.ahead(id, limit)
  assert.equal(await aheadOf(urgent), 0)
  assert.equal(await aheadOf(ids[0] ?? ''), 1)
  assert.equal(await aheadOf(ids[4] ?? ''), 5)
  assert.equal(await aheadOf(ids[4] ?? '', 3), 3)
  assert.equal(await aheadOf(keyed), 7)
  assert.equal(await aheadOf(waiting), 8)
  assert.equal(await aheadOf(delayed), undefined)
  assert.equal(await aheadOf('nobody'), undefined)
  const running = only(await claim({ limit: 1 }))
  assert.equal(await aheadOf(running.id), undefined)
  assert.equal(await aheadOf(ids[5] ?? ''), 5)
}

async function counts({ open }: Context): Promise<void> {
  const { addAll, claim, settle, status, put, admin, tasks } = taskBench(await open())
  await put('q', { key: { order: true } })
  const parent = newTask({ children: 1, key: 'p' })
  await addAll([{ key: 'k' }, { key: 'k' }, {}, {}, {}, {}, { delayMs: HOUR }])
  const [reclaimed] = await claim({ worker: 'gone', limit: 1 })
  await tasks.reclaim({ worker: 'gone', deadAfterCrashes: 3, error: taskError() })
  const [done, dead] = await claim({ suspects: 0, limit: 4 })
  assert.ok(reclaimed && done && dead)
  await settle(done)
  await settle(dead, { as: 'dead', error: taskError() })
  await addAll([parent, { parent: parent.id }, {}])
  const { counts: counted, exact, oldestReadyMs = -1, version } = await status('q')
  assert.deepEqual(counted, {
    blocked: 1,
    delayed: 1,
    waiting: 1,
    ready: 2,
    suspect: 1,
    running: 2,
    done: 1,
    dead: 1,
    cancelled: 0,
    expired: 0,
  })
  assert.deepEqual([exact, version], [true, 1])
  assert.ok(oldestReadyMs >= 0 && oldestReadyMs < 600_000, `${oldestReadyMs}`)
  assert.deepEqual(idsOf(await tasks.get([parent.id])), [parent.id])
  assert.equal((await admin.queues()).length, 1)
}
