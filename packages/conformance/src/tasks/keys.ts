import assert from 'node:assert/strict'
import type { Context } from '../context.ts'
import type { Property } from '../property.ts'
import { HOUR, idsOf, only, settleOf, taskBench, taskError, type TaskBench } from './task-bench.ts'

/** What limits and order by key must do. */
export const keyProperties: readonly Property[] = [
  { id: '52 no more than its concurrency run of a key', needs: ['tasks'], run: limit },
  { id: '52 a free place goes to the lowest rank that waits', needs: ['tasks'], run: byRank },
  { id: '52 a task that waits for its retry holds no place', needs: ['tasks'], run: retryFreesPlace },
  { id: '52 tasks of an ordered key come one by one, in the order of adding', needs: ['tasks'], run: inOrder },
  { id: '52 nothing passes a task of an ordered key across its retries', needs: ['tasks'], run: acrossRetries },
  { id: '52 an ordered key goes on when its first has ended, however', needs: ['tasks'], run: goesOn },
  { id: '52 what is not yet due holds up nobody of its ordered key', needs: ['tasks'], run: notYetDue },
  { id: '52 ordered keys keep their order among many workers', needs: ['tasks', 'secondProcess'], run: manyWorkers },
  { id: '52 a wider limit lets go what waited', needs: ['tasks'], run: widened },
]

async function limit({ open }: Context): Promise<void> {
  const { addAll, claim, settle, states, put } = taskBench(await open())
  await put('q', { key: { concurrency: 2 } })
  const ids = await addAll([{ key: 'a' }, { key: 'a' }, { key: 'a' }, { key: 'a' }, { key: 'b' }, {}, {}, {}])
  assert.deepEqual((await states(ids)).slice(0, 5), ['ready', 'ready', 'waiting', 'waiting', 'ready'])
  const [first, second, ...others] = await claim()
  assert.ok(first && second)
  assert.deepEqual(idsOf([first, second, ...others]), [ids[0], ids[1], ...ids.slice(4)])
  assert.deepEqual(await claim(), [])
  await settle(second)
  assert.deepEqual(await states(ids.slice(0, 4)), ['running', 'done', 'ready', 'waiting'])
  assert.deepEqual(idsOf(await claim()), [ids[2]])
  const other = await addAll([{ key: 'a', queue: 'other' }])
  assert.deepEqual(await states(other), ['ready'], 'keys belong to their queue')
}

async function byRank({ open }: Context): Promise<void> {
  const { addAll, add, claim, settle, put } = taskBench(await open())
  await put('q', { key: { concurrency: 1 } })
  await add({ key: 'a' })
  const [low, high, middle] = await addAll([
    { key: 'a', headStartMs: -HOUR },
    { key: 'a', headStartMs: HOUR },
    { key: 'a' },
  ])
  const order: string[] = []
  for (let at = 0; at < 4; at += 1) {
    const task = only(await claim())
    order.push(task.id)
    await settle(task)
  }
  assert.deepEqual(order.slice(1), [high, middle, low])
}

async function retryFreesPlace({ open }: Context): Promise<void> {
  const { addAll, add, claim, settle, states, put } = taskBench(await open())
  await put('q', { key: { concurrency: 1 } })
  const ids = await addAll([{ key: 'a' }, { key: 'a' }])
  ids.push(await add({ key: 'a', headStartMs: HOUR }))
  const first = only(await claim())
  assert.equal(first.id, ids[0], 'a place that is taken is not taken away')
  await settle(first, { as: 'retry', delayMs: HOUR })
  assert.deepEqual(await states(ids), ['delayed', 'waiting', 'ready'])
  const third = only(await claim())
  await settle(third, { as: 'release' })
  assert.equal(only(await claim()).id, ids[2], 'of those that wait the lowest rank has the place')
}

async function inOrder({ open, random }: Context): Promise<void> {
  const { addAll, claim, settle, put } = taskBench(await open())
  await put('q', { key: { order: true, concurrency: 5 } })
  const wishes = Array.from({ length: 30 }, (_, at) => ({
    key: `k${at % 3}`,
    headStartMs: random.integer(-3, 3) * HOUR,
    body: String(at),
  }))
  const ids = await addAll(wishes)
  const seen = new Map<string, string[]>()
  for (let round = 0; round < 10; round += 1) {
    const tasks = await claim()
    assert.equal(tasks.length, 3, 'one of each key at a time')
    for (const task of random.shuffled(tasks)) {
      const key = task.key ?? ''
      seen.set(key, [...(seen.get(key) ?? []), task.id])
      await settle(task)
    }
  }
  for (const [key, order] of seen)
    assert.deepEqual(
      order,
      ids.filter((_, at) => wishes[at]?.key === key),
    )
}

async function acrossRetries({ open }: Context): Promise<void> {
  const { addAll, claim, settle, states, put, admin } = taskBench(await open())
  await put('q', { key: { order: true } })
  const ids = await addAll([{ key: 'a' }, { key: 'a', headStartMs: HOUR }, { key: 'b' }])
  const [first, other] = await claim()
  assert.ok(first && other)
  assert.deepEqual(idsOf([first, other]), [ids[0], ids[2]])
  await settle(first, { as: 'retry', delayMs: HOUR, error: taskError() })
  assert.deepEqual(await claim(), [])
  assert.deepEqual(await states(ids), ['delayed', 'waiting', 'running'])
  assert.deepEqual(await admin.change([ids[0] ?? ''], { action: 'run' }), [ids[0]])
  const again = only(await claim())
  assert.deepEqual([again.id, again.attempts], [ids[0], 1])
  await settle(again, { as: 'release', delayMs: HOUR })
  assert.deepEqual(await claim(), [])
  await admin.change([ids[0] ?? ''], { action: 'run' })
  const last = only(await claim())
  assert.equal(last.id, ids[0])
  await settle(last, { as: 'release' })
  assert.equal(only(await claim()).id, ids[0], 'also when it is given back at once')
}

async function goesOn({ open }: Context): Promise<void> {
  const { addAll, claim, settle, put, admin } = taskBench(await open())
  await put('q', { key: { order: true } })
  const ids = await addAll(Array.from({ length: 7 }, () => ({ key: 'a' })))
  for (const as of ['done', 'dead', 'cancelled', 'expired'] as const) {
    const task = only(await claim())
    assert.equal(task.id, ids.shift())
    await settle(task, { as })
  }
  await settle(only(await claim()), { as: 'retry', delayMs: HOUR })
  const [delayed = '', ready] = ids
  assert.deepEqual(await admin.change([delayed], { action: 'cancel' }), [delayed])
  assert.deepEqual(await admin.change([ready ?? ''], { action: 'cancel' }), [ready])
  assert.equal(only(await claim()).id, ids[2])
}

async function notYetDue({ open }: Context): Promise<void> {
  const { add, claim, admin, settle, states, put } = taskBench(await open())
  await put('q', { key: { order: true } })
  const later = await add({ key: 'a', delayMs: HOUR })
  const now = await add({ key: 'a' })
  const task = only(await claim())
  assert.equal(task.id, now)
  await admin.change([later], { action: 'run' })
  const last = await add({ key: 'a' })
  assert.deepEqual(await states([later, now, last]), ['waiting', 'running', 'waiting'])
  await settle(task)
  assert.equal(only(await claim()).id, later, 'when it is due its place is that of its adding')
}

async function manyWorkers({ open, openSecond, random }: Context): Promise<void> {
  const benches = [taskBench(await open()), taskBench(await openSecond())]
  const [first] = benches
  assert.ok(first)
  await first.put('q', { key: { order: true } })
  const wishes = Array.from({ length: 60 }, (_, at) => ({ key: `k${at % 4}`, body: String(at) }))
  const ids = await first.addAll(wishes)
  const started = new Map<string, string[]>()
  const running = new Set<string>()
  await Promise.all(
    Array.from({ length: 4 }, (_, at) =>
      runSome(benches[at % 2] ?? first, `w${at}`, { started, running, random, all: ids.length }),
    ),
  )
  for (const [key, order] of started)
    assert.deepEqual(
      order,
      ids.filter((_, at) => wishes[at]?.key === key),
    )
}

interface Shared {
  readonly started: Map<string, string[]>
  readonly running: Set<string>
  readonly random: Context['random']
  readonly all: number
}

/** A worker that now and then has to try again; its claims and settles travel together. */
async function runSome(
  { exchange }: TaskBench,
  worker: string,
  { started, running, random, all }: Shared,
): Promise<void> {
  let settles: ReturnType<typeof settleOf>[] = []
  const count = (): number => [...started.values()].reduce((sum, { length }) => sum + length, 0)
  for (let round = 0; count() < all || settles.length > 0; round += 1) {
    assert.ok(round < 5_000, 'all tasks come')
    for (const { id } of settles) running.delete(id)
    const claims = [{ queue: 'q', names: ['job'], limit: 2, suspects: 1 }]
    const { settled, claimed } = await exchange({ worker, settles, claims })
    assert.ok(settled.every((each) => each === 'settled'))
    settles = only(claimed).tasks.map((task) => {
      assert.ok(!running.has(task.id), 'no task runs twice at once')
      running.add(task.id)
      const order = started.get(task.key ?? '') ?? []
      started.set(task.key ?? '', order)
      if (order.at(-1) !== task.id) order.push(task.id)
      return settleOf(task, { as: task.attempts === 0 && random.chance(0.2) ? 'retry' : 'done' })
    })
  }
}

async function widened({ open }: Context): Promise<void> {
  const { addAll, claim, put, sweep } = taskBench(await open())
  await put('q', { key: { concurrency: 1 } })
  const ids = await addAll(Array.from({ length: 5 }, () => ({ key: 'a' })))
  assert.equal((await claim()).length, 1)
  await put('q', { key: { concurrency: 3 } })
  await sweep()
  assert.deepEqual(idsOf(await claim()), ids.slice(1, 3))
  await put('q', { key: { concurrency: undefined } })
  await sweep()
  assert.deepEqual(idsOf(await claim()), ids.slice(3))
}
