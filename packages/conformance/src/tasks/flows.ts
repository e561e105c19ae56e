import assert from 'node:assert/strict'
import type { NewTask } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import type { Property } from '../property.ts'
import {
  HOUR,
  idsOf,
  newTask,
  only,
  settleOf,
  taskBench,
  taskError,
  type Claim,
  type TaskBench,
  type TaskWish,
} from './task-bench.ts'

/** What flows of parents and children must do. */
export const flowProperties: readonly Property[] = [
  { id: '58 a parent is blocked until its children have ended', needs: ['tasks'], run: fanIn },
  { id: '58 the outcomes of children come in the order of the flow', needs: ['tasks'], run: outcomeOrder },
  { id: '58 a parent that fails fast is dead with its first child', needs: ['tasks'], run: failFast },
  { id: '58 a parent that keeps going runs whatever its children do', needs: ['tasks'], run: keepGoing },
  { id: '58 flows have levels, across queues', needs: ['tasks'], run: levels },
  { id: '58 a parent that is cancelled takes its children along', needs: ['tasks'], run: cancelled },
  {
    id: '58 children that end at once in two processes let the parent go once',
    needs: ['tasks', 'secondProcess'],
    run: atOnce,
  },
  { id: '58 a child and its parent can be run again', needs: ['tasks'], run: again },
  { id: '58 a parent waits for no child whose id is taken', needs: ['tasks'], run: takenChild },
  { id: '58 a parent that is there already gets no more children', needs: ['tasks'], run: takenParent },
]

interface Flow {
  readonly parent: string
  readonly children: readonly string[]
}

/** Adds a parent and its children in one call, the parent last. */
async function addFlow(bench: TaskBench, children: readonly TaskWish[], wish: TaskWish = {}): Promise<Flow> {
  const parent = newTask({ children: children.length, name: 'parent', ...wish })
  const tasks = children.map((child): NewTask => newTask({ parent: parent.id, ...child }))
  await bench.addAll([...tasks, parent])
  return { parent: parent.id, children: idsOf(tasks) }
}

async function fanIn({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { claim, settle, row } = bench
  const { parent, children } = await addFlow(bench, [{}, { delayMs: 0 }, {}])
  assert.deepEqual([(await row(parent)).state, (await row(parent)).pendingChildren], ['blocked', 3])
  assert.equal((await row(children[0] ?? '')).parent, parent)
  const names = ['job', 'parent']
  const tasks = await claim({ names })
  assert.deepEqual(idsOf(tasks), children)
  assert.ok(tasks.every(({ hasChildren }) => !hasChildren))
  for (const [at, task] of tasks.entries()) {
    assert.deepEqual(await claim({ names: ['parent'] }), [])
    assert.equal((await row(parent)).pendingChildren, at === 2 ? 2 : 3 - at)
    await settle(task, at === 1 ? { as: 'retry' } : { output: String(at) })
  }
  assert.equal((await row(parent)).pendingChildren, 1, 'a retry is no end')
  await settle(only(await claim({ names })))
  const last = only(await claim({ names }))
  assert.deepEqual([last.id, last.hasChildren], [parent, true])
  const delayed = await addFlow(bench, [{}], { delayMs: HOUR })
  await settle(only(await claim({ names })))
  assert.equal((await row(delayed.parent)).state, 'delayed', 'its own delay counts too')
}

async function outcomeOrder({ open, random }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { claim, settle, tasks } = bench
  const { parent, children } = await addFlow(
    bench,
    Array.from({ length: 12 }, () => ({})),
  )
  assert.deepEqual(await tasks.outcomes(parent), [])
  const claimed = random.shuffled(await claim())
  for (const task of claimed.slice(0, 10)) {
    const fails = children.indexOf(task.id) % 4 === 0
    await settle(task, fails ? { as: 'dead', error: taskError(task.id) } : { output: JSON.stringify(task.id) })
  }
  const ended = new Set(idsOf(claimed.slice(0, 10)))
  const expected = children
    .filter((id) => ended.has(id))
    .map((id) =>
      children.indexOf(id) % 4 === 0
        ? { id, name: 'job', state: 'dead', output: undefined, error: taskError(id) }
        : { id, name: 'job', state: 'done', output: JSON.stringify(id), error: undefined },
    )
  assert.deepEqual(await tasks.outcomes(parent), expected)
  assert.deepEqual(await tasks.outcomes('nobody'), [])
}

async function failFast({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { claim, settle, row, states, exchange } = bench
  for (const as of ['dead', 'cancelled', 'expired'] as const) {
    const queue = as
    const child = { queue }
    const { parent, children } = await addFlow(bench, [child, child, child, { ...child, delayMs: HOUR }], {
      failFast: true,
      queue,
    })
    const [done, fails, runs] = await claim({ queue })
    assert.ok(done && fails && runs)
    await settle(done)
    await settle(fails, { as, error: as === 'dead' ? taskError() : undefined })
    const dead = await row(parent)
    assert.deepEqual([dead.state, dead.error?.code], ['dead', 'task_child_failed'])
    assert.ok(dead.endedAt !== undefined)
    assert.deepEqual(await states(children), ['done', as, 'running', 'cancelled'])
    assert.deepEqual((await exchange({})).cancel, [runs.id], 'what runs is asked')
    await settle(runs, { as: 'cancelled' })
    assert.deepEqual(await claim({ queue, names: ['job', 'parent'] }), [])
  }
}

async function keepGoing({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { claim, exchange, tasks, admin, row } = bench
  const { parent, children } = await addFlow(bench, [{}, {}, { delayMs: HOUR }])
  const [dead, done] = await claim()
  assert.ok(dead && done)
  await exchange({ settles: [settleOf(dead, { as: 'dead', error: taskError() }), settleOf(done, { output: '7' })] })
  assert.equal((await row(parent)).state, 'blocked')
  await admin.change([children[2] ?? ''], { action: 'cancel' })
  assert.equal(only(await claim({ names: ['parent'] })).id, parent)
  assert.deepEqual(
    (await tasks.outcomes(parent)).map(({ state }) => state),
    ['dead', 'done', 'cancelled'],
  )
}

async function levels({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { addAll, claim, settle, row, states } = bench
  const root = newTask({ queue: 'top', children: 2, failFast: true })
  const middle = newTask({ queue: 'middle', children: 2, parent: root.id, failFast: true })
  const side = newTask({ queue: 'side', parent: root.id, delayMs: HOUR })
  const leaves = [newTask({ queue: 'leaf', parent: middle.id }), newTask({ queue: 'leaf', parent: middle.id })]
  await addAll([root, middle, side, ...leaves])
  const [first, second] = await claim({ queue: 'leaf' })
  assert.ok(first && second)
  assert.deepEqual(await claim({ queue: 'middle' }), [])
  await settle(first)
  await settle(second)
  const task = only(await claim({ queue: 'middle' }))
  assert.equal((await row(root.id)).state, 'blocked')
  await settle(task, { as: 'dead', error: taskError() })
  assert.deepEqual(await states([root.id, middle.id, side.id]), ['dead', 'dead', 'cancelled'])
}

async function cancelled({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { addAll, claim, admin, states, exchange, put } = bench
  await put('q', { key: { concurrency: 1 } })
  const root = newTask({ name: 'parent', children: 2 })
  const middle = newTask({ name: 'parent', parent: root.id, children: 3 })
  const leaves = [
    newTask({ parent: middle.id }),
    newTask({ parent: middle.id, key: 'k' }),
    newTask({ parent: middle.id, key: 'k' }),
  ]
  const other = newTask({ parent: root.id, delayMs: HOUR })
  await addAll([root, middle, ...leaves, other])
  const runs = only(await claim({ limit: 1 }))
  assert.deepEqual(await admin.change([root.id], { action: 'cancel' }), [root.id])
  const ids = idsOf([root, middle, other, ...leaves])
  assert.deepEqual(await states(ids), ['cancelled', 'cancelled', 'cancelled', 'running', 'cancelled', 'cancelled'])
  assert.deepEqual((await exchange({})).cancel, [runs.id])
  assert.deepEqual(await claim(), [])
}

async function atOnce({ open, openSecond }: Context): Promise<void> {
  const benches = [taskBench(await open()), taskBench(await openSecond())]
  const [first] = benches
  assert.ok(first)
  for (let round = 0; round < 5; round += 1) {
    const { parent } = await addFlow(
      first,
      Array.from({ length: 12 }, () => ({})),
    )
    const claimed: readonly Claim[] = await first.claim()
    assert.equal(claimed.length, 12)
    const settled = await Promise.all(claimed.map((task, at) => (benches[at % 2] ?? first).settle(task)))
    assert.ok(settled.every((each) => each === 'settled'))
    assert.equal((await first.row(parent)).pendingChildren, 0)
    const tries = await Promise.all(benches.map((bench) => bench.claim({ names: ['parent'] })))
    assert.deepEqual(idsOf(tries.flat()), [parent])
  }
}

async function again({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { claim, settle, row, admin, states } = bench
  const { parent, children } = await addFlow(bench, [{}, {}], { failFast: true })
  const [fails, other] = await claim()
  assert.ok(fails && other)
  await settle(fails, { as: 'dead', error: taskError() })
  await settle(other)
  assert.deepEqual([(await row(parent)).state, (await row(parent)).pendingChildren], ['dead', 0])
  assert.deepEqual(await admin.change([fails.id, parent], { action: 'run' }), [fails.id, parent])
  const task = only(await claim())
  assert.equal(task.id, fails.id)
  await settle(task, { output: '"now"' })
  assert.deepEqual(idsOf(await claim({ names: ['parent'] })), [parent])
  assert.deepEqual(await states(children), ['done', 'done'])
}

async function takenChild({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { claim, settle, row, tasks, add } = bench
  const other = await add()
  await settle(only(await claim()))
  const parent = newTask({ name: 'parent', children: 2, failFast: true })
  const child = newTask({ parent: parent.id })
  await tasks.enqueue([parent, newTask({ id: other, parent: parent.id }), child])
  assert.deepEqual([(await row(parent.id)).state, (await row(parent.id)).pendingChildren], ['blocked', 1])
  assert.equal((await row(other)).parent, undefined)
  const task = only(await claim())
  assert.equal(task.id, child.id)
  await settle(task)
  assert.deepEqual(idsOf(await claim({ names: ['parent'] })), [parent.id])
  const alone = newTask({ name: 'parent', children: 1 })
  await tasks.enqueue([newTask({ id: other, parent: alone.id }), alone])
  assert.deepEqual(idsOf(await claim({ names: ['parent'] })), [alone.id])
}

async function takenParent({ open }: Context): Promise<void> {
  const bench = taskBench(await open())
  const { claim, settle, row, tasks } = bench
  const { parent, children } = await addFlow(bench, [{}])
  const late = newTask({ parent })
  await tasks.enqueue([newTask({ id: parent, name: 'parent', children: 1 }), late])
  assert.equal((await row(parent)).pendingChildren, 1)
  assert.equal((await row(late.id)).parent, undefined)
  const claimed = await claim()
  assert.deepEqual(idsOf(claimed), [...children, late.id])
  await settle(claimed[1] as Claim)
  assert.equal((await row(parent)).state, 'blocked', 'it waits for its own child')
  await settle(claimed[0] as Claim)
  assert.deepEqual(idsOf(await claim({ names: ['parent'] })), [parent])
  assert.deepEqual(idsOf(await tasks.outcomes(parent)), children)
}
