import assert from 'node:assert/strict'
import type { Context } from '../context.ts'
import type { Property } from '../property.ts'
import { HOUR, idsOf, only, settleOf, taskBench, taskError } from './task-bench.ts'

/** What claims and settles must do. */
export const claimingProperties: readonly Property[] = [
  { id: '51 each task is claimed once, whoever claims', needs: ['tasks', 'secondProcess'], run: once },
  { id: '51 a settle counts under its own claim only', needs: ['tasks'], run: fence },
  { id: '51 an exchange settles, then claims what became free', needs: ['tasks'], run: together },
  { id: '51 each end is final and kept with its output or error', needs: ['tasks'], run: ends },
  { id: '51 a worker gets the names that it knows', needs: ['tasks'], run: names },
  { id: '51 a claim tells whether more is ready', needs: ['tasks'], run: more },
  { id: '51 a paused queue gives nothing', needs: ['tasks'], run: paused },
  { id: '51 no more than its concurrency run of a queue', needs: ['tasks', 'secondProcess'], run: concurrency },
  { id: '51 holders are those who hold tasks', needs: ['tasks'], run: holders },
]

async function once({ open, openSecond }: Context): Promise<void> {
  const benches = [taskBench(await open()), taskBench(await openSecond())]
  const [first] = benches
  assert.ok(first)
  const ids = await first.addAll(
    Array.from({ length: 300 }, (_, at) => ({ key: at % 2 === 0 ? `k${at % 7}` : undefined })),
  )
  const claims = Array.from({ length: 40 }, (_, at) => {
    const bench = benches[at % 2] ?? first
    return bench.claim({ worker: `w${at % 5}`, limit: 9 })
  })
  const claimed = (await Promise.all(claims)).flat()
  assert.deepEqual(idsOf(claimed).toSorted(), ids.toSorted())
  assert.ok(claimed.every(({ starts }) => starts === 1))
}

async function fence({ open }: Context): Promise<void> {
  const { add, claim, settle, row, exchange } = taskBench(await open())
  const id = await add()
  const task = only(await claim())
  assert.equal(await settle({ id, starts: 1 }, { worker: 'other' }), 'fenced')
  assert.equal(await settle({ id, starts: 0 }), 'fenced')
  assert.equal(await settle({ id, starts: 2 }), 'fenced')
  assert.equal(await settle({ id: 'nobody', starts: 1 }), 'fenced')
  assert.equal((await row(id)).state, 'running')
  assert.equal(await settle(task, { as: 'release' }), 'settled')
  assert.equal(
    await settle(task, { as: 'retry', delayMs: HOUR, error: taskError() }),
    'fenced',
    'it is not its claim any more',
  )
  const again = only(await claim())
  assert.equal(again.starts, 2)
  assert.equal(await settle(task, { as: 'dead', error: taskError() }), 'fenced', 'of a former claim of the same worker')
  assert.equal((await row(id)).error, undefined)
  const { settled } = await exchange({ settles: [settleOf(again, { output: '1' }), settleOf(again, { output: '2' })] })
  assert.deepEqual(settled, ['settled', 'fenced'])
  const ended = await row(id)
  assert.deepEqual([ended.state, ended.output, ended.attempts], ['done', '1', 0])
  assert.equal(await settle(again, { as: 'retry' }), 'fenced')
  assert.deepEqual(await claim(), [])
}

async function together({ open }: Context): Promise<void> {
  const { addAll, add, exchange, put, states } = taskBench(await open())
  await put('q', { key: { concurrency: 1 }, concurrency: 2 })
  const [first, second, third] = await addAll([{ key: 'k' }, { key: 'k' }, { key: 'k' }])
  const other = await add({ queue: 'r', name: 'other' })
  const claims = [
    { queue: 'q', names: ['job'], limit: 5, suspects: 1 },
    { queue: 'r', names: ['other', 'job'], limit: 5, suspects: 0 },
    { queue: 'empty', names: ['job'], limit: 5, suspects: 0 },
  ]
  const start = await exchange({ claims })
  assert.deepEqual(
    start.claimed.map(({ tasks }) => idsOf(tasks)),
    [[first], [other], []],
  )
  assert.deepEqual([start.settled, start.cancel], [[], []])
  const running = start.claimed.flatMap(({ tasks }) => tasks)
  const settles = [...running.map((each) => settleOf(each)), settleOf({ id: third ?? '', starts: 0 })]
  const next = await exchange({ settles, claims })
  assert.deepEqual(next.settled, ['settled', 'settled', 'fenced'])
  assert.deepEqual(
    next.claimed.map(({ tasks }) => idsOf(tasks)),
    [[second], [], []],
  )
  assert.deepEqual(await states([first, second, third, other].map(String)), ['done', 'running', 'waiting', 'done'])
}

async function ends({ open }: Context): Promise<void> {
  const { addAll, claim, settle, row } = taskBench(await open())
  const as = ['done', 'dead', 'cancelled', 'expired'] as const
  await addAll(as.map(() => ({})))
  for (const [at, task] of (await claim()).entries()) {
    const end = as[at]
    assert.ok(end)
    const output = end === 'done' ? '{"made":"é"}' : undefined
    const error = end === 'done' ? undefined : taskError(end, `why ${end}`)
    assert.equal(await settle(task, { as: end, output, error, delayMs: 0 }), 'settled')
    const ended = await row(task.id)
    assert.deepEqual([ended.state, ended.output, ended.error, ended.worker], [end, output, error, undefined])
    assert.ok((ended.endedAt ?? 0) >= (ended.startedAt ?? Infinity), 'it ended after its start')
    assert.equal(await settle(task), 'fenced')
  }
  assert.deepEqual(await claim(), [])
}

async function names({ open }: Context): Promise<void> {
  const { add, claim, ask, status } = taskBench(await open())
  const a1 = await add({ name: 'a' })
  const b1 = await add({ name: 'b' })
  const a2 = await add({ name: 'a' })
  const c1 = await add({ name: 'c', headStartMs: HOUR })
  assert.deepEqual((await status('q')).readyNames.toSorted(), ['a', 'b', 'c'])
  assert.deepEqual(await ask({ names: ['d'] }), { tasks: [], nextMs: undefined })
  assert.deepEqual(idsOf(await claim({ names: ['b'] })), [b1])
  assert.deepEqual(idsOf(await claim({ names: ['a', 'b', 'c'], limit: 2 })), [c1, a1])
  assert.deepEqual((await status('q')).readyNames, ['a'])
  assert.deepEqual(idsOf(await claim({ names: ['c', 'a'] })), [a2])
}

async function more({ open }: Context): Promise<void> {
  const { addAll, ask } = taskBench(await open())
  const ids = await addAll([{}, {}, {}])
  const first = await ask({ limit: 2 })
  assert.deepEqual([idsOf(first.tasks), first.nextMs], [ids.slice(0, 2), 0])
  const last = await ask({ limit: 1 })
  assert.deepEqual([idsOf(last.tasks), last.nextMs], [ids.slice(2), undefined])
  assert.deepEqual(await ask({ limit: 0 }), { tasks: [], nextMs: undefined })
}

async function paused({ open }: Context): Promise<void> {
  const { add, ask, claim, put, row } = taskBench(await open())
  const id = await add()
  await put('q', { paused: true })
  assert.deepEqual(await ask(), { tasks: [], nextMs: undefined })
  const late = await add()
  assert.deepEqual(await claim(), [])
  assert.equal((await row(late)).state, 'ready')
  await put('q', { paused: false })
  assert.deepEqual(idsOf(await claim()), [id, late])
}

async function concurrency({ open, openSecond }: Context): Promise<void> {
  const one = taskBench(await open())
  const other = taskBench(await openSecond())
  await one.put('q', { concurrency: 3 })
  await one.addAll(Array.from({ length: 20 }, () => ({})))
  const claims = [one, other, one, other].map((bench, at) => bench.claim({ worker: `w${at}`, limit: 2 }))
  const claimed = await Promise.all(claims)
  assert.equal(claimed.flat().length, 3)
  assert.deepEqual(await one.ask(), { tasks: [], nextMs: undefined }, 'nothing comes until one is settled')
  const at = claimed.findIndex(({ length }) => length > 0)
  const held = claimed[at]?.[0]
  assert.ok(held)
  assert.equal(await other.settle(held, { worker: `w${at}` }), 'settled')
  assert.equal((await one.claim({ limit: 9 })).length, 1)
  await one.put('q', { concurrency: undefined })
  assert.equal((await one.claim({ limit: 4 })).length, 4)
}

async function holders({ open }: Context): Promise<void> {
  const { addAll, claim, settle, tasks } = taskBench(await open())
  assert.deepEqual(await tasks.holders(), [])
  await addAll([{}, {}, {}])
  const [first, second] = await claim({ worker: 'a', limit: 2 })
  const third = only(await claim({ worker: 'b' }))
  assert.ok(first && second)
  assert.deepEqual((await tasks.holders()).toSorted(), ['a', 'b'])
  const ofA = [first, second].map(({ id, starts }) => ({ id, starts }))
  assert.deepEqual((await tasks.running('a')).toSorted(byId), ofA.toSorted(byId))
  assert.deepEqual(await tasks.running('nobody'), [])
  await settle(first, { worker: 'a' })
  await settle(third, { worker: 'b', as: 'release' })
  assert.deepEqual(await tasks.holders(), ['a'])
  assert.deepEqual(await tasks.running('a'), ofA.slice(1))
  await settle(second, { worker: 'a', as: 'retry', delayMs: HOUR })
  assert.deepEqual(await tasks.holders(), [])
}

function byId(one: { readonly id: string }, other: { readonly id: string }): number {
  return one.id < other.id ? -1 : 1
}
