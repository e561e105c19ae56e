import assert from 'node:assert/strict'
import type { ClaimedTask, TaskSettle } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import { patienceMs } from '../eventually.ts'
import type { Property } from '../property.ts'
import type { Random } from '../random.ts'
import { passing } from '../passing-time.ts'
import { idsOf, newTask, settleOf, taskBench, taskError, type TaskBench } from './task-bench.ts'

/** What must hold however calls of several processes meet. */
export const stormProperties: readonly Property[] = [
  { id: '66 many workers at once break no limit and lose nothing', needs: ['tasks', 'secondProcess'], run: storm },
  { id: '66 of a settle and a reclaim at once, one counts', needs: ['tasks', 'secondProcess'], run: settleOrReclaim },
  { id: '66 two processes draw from one bucket', needs: ['tasks', 'secondProcess'], run: oneBucket },
]

const LIMITS = { concurrency: 6, key: 2 }
const QUEUES = ['limited', 'ordered'] as const

/** What the workers of the storm know together. */
interface Storm {
  readonly random: Random
  readonly benches: readonly TaskBench[]
  readonly added: Set<string>
  readonly running: Map<string, ClaimedTask>
  /** The tasks of each ordered key in the order of their first starts. */
  readonly order: Map<string, string[]>
  readonly done: Set<string>
  readonly graveyard: string[]
  readonly until: number
  producing: number
  over: boolean
}

async function storm({ open, openSecond, random }: Context): Promise<void> {
  const benches = [taskBench(await open()), taskBench(await openSecond())]
  const [first] = benches
  assert.ok(first)
  await first.put('limited', { concurrency: LIMITS.concurrency, key: { concurrency: LIMITS.key }, fairMs: 1 })
  await first.put('ordered', { key: { order: true } })
  const shared: Storm = {
    random,
    benches,
    added: new Set(),
    running: new Map(),
    order: new Map(),
    done: new Set(),
    graveyard: [],
    until: performance.now() + 4 * patienceMs(),
    producing: 3,
    over: false,
  }
  const producers = [0, 1, 2].map((at) => produce(shared, at))
  const workers = [0, 1, 2, 3].map((at) => work(shared, at))
  await Promise.all([...producers, ...workers, tend(shared)])
  const rows = await first.tasks.get([...shared.added])
  assert.equal(rows.length, shared.added.size)
  for (const { id, state } of rows) {
    assert.ok(state === 'done' || state === 'cancelled', `${id} has ended, and not as ${state}`)
    assert.equal(shared.done.has(id), state === 'done', `${id} is done when its settle counted`)
  }
  for (const [key, ids] of shared.order) assert.equal(new Set(ids).size, ids.length, `nothing of ${key} is passed`)
}

async function produce(shared: Storm, at: number): Promise<void> {
  const { random, benches, added } = shared
  for (let batch = 0; batch < 10; batch += 1) {
    const tasks = Array.from({ length: random.integer(1, 8) }, () =>
      newTask({
        queue: random.pick(QUEUES),
        key: random.chance(0.8) ? `k${random.integer(0, 3)}` : undefined,
        tenant: random.chance(0.5) ? `t${random.integer(0, 2)}` : undefined,
        headStartMs: random.integer(0, 2) * 1_000,
        delayMs: random.chance(0.2) ? random.integer(1, 30) : 0,
        dedupe: random.chance(0.2)
          ? { key: `d${random.integer(0, 3)}`, mode: 'keep', until: random.pick(['start', 'end']), windowMs: undefined }
          : undefined,
      }),
    )
    const outcomes = await benchAt(shared, at + batch).tasks.enqueue(tasks)
    for (const { id } of outcomes) added.add(id)
    if (random.chance(0.2)) await benchAt(shared, at).tasks.enqueue(tasks.filter(({ dedupe }) => dedupe === undefined))
    if (random.chance(0.3)) await benches[0]?.admin.change([random.pick([...added])], { action: 'cancel' })
  }
  shared.producing -= 1
}

/** A worker that now and then dies with its tasks and comes back under another name. */
async function work(shared: Storm, at: number): Promise<void> {
  const { random, running, graveyard } = shared
  let life = 1
  let settles: TaskSettle[] = []
  while (!shared.over) {
    const worker = `w${at}.${life}`
    // The place of a settled task is free from here on at the earliest.
    for (const { id } of settles) running.delete(id)
    const claims = random
      .shuffled(QUEUES)
      .map((queue) => ({ queue, names: ['job'], limit: random.integer(1, 4), suspects: 1 }))
    const answer = await benchAt(shared, at).exchange({ worker, settles, claims })
    for (const [index, settle] of settles.entries()) {
      assert.equal(answer.settled[index], 'settled', `${settle.id} was held by a worker that lives`)
      if (settle.as === 'done') shared.done.add(settle.id)
    }
    const tasks = answer.claimed.flatMap((each) => each.tasks)
    for (const task of tasks) begin(shared, task)
    settles = tasks.map((task) => settleAtRandom(task, random, answer.cancel))
    if (tasks.length === 0) await passing(3)
    if (!random.chance(0.05)) continue
    graveyard.push(worker)
    settles = []
    life += 1
  }
}

function settleAtRandom(task: ClaimedTask, random: Random, cancel: readonly string[]): TaskSettle {
  if (cancel.includes(task.id)) return settleOf(task, { as: 'cancelled' })
  const draw = random.next()
  if (draw < 0.15 && task.attempts < 5) return settleOf(task, { as: 'retry', delayMs: random.integer(0, 10) })
  return settleOf(task, { as: draw < 0.2 ? 'release' : 'done' })
}

/** Checks the limits with what is certainly running, from the answer to its claim until its settle is sent. */
function begin({ running, order, benches }: Storm, task: ClaimedTask): void {
  assert.ok(benches.length > 0 && !running.has(task.id), `${task.id} runs once at a time`)
  running.set(task.id, task)
  const others = [...running.values()].filter(({ queue }) => queue === task.queue)
  const ofKey = others.filter(({ key }) => key !== undefined && key === task.key)
  if (task.queue === 'limited') {
    assert.ok(others.length <= LIMITS.concurrency, `${others.length} tasks of the queue run at once`)
    assert.ok(ofKey.length <= LIMITS.key, `${ofKey.length} tasks of the key ${task.key} run at once`)
  } else if (task.key !== undefined) {
    assert.ok(ofKey.length <= 1, `${idsOf(ofKey).join(' and ')} of an ordered key run at once`)
    const started = order.get(task.key) ?? []
    if (started.at(-1) !== task.id) order.set(task.key, [...started, task.id])
  }
}

/** Reclaims the dead, sweeps, and ends the storm when everything has ended. */
async function tend(shared: Storm): Promise<void> {
  const { running, graveyard } = shared
  for (let round = 0; !shared.over; round += 1) {
    assert.ok(performance.now() < shared.until, 'all tasks end')
    const bench = benchAt(shared, round)
    const worker = graveyard.shift()
    if (worker !== undefined) {
      const [held] = [...running.values()]
      for (const [id, row] of await rowsOf(bench, [...running.keys()])) if (row === worker) running.delete(id)
      const request = { worker, deadAfterCrashes: 1_000, error: taskError() }
      while ((await bench.tasks.reclaim(request)) > 0);
      if (held !== undefined) await bench.settle({ id: held.id, starts: 0 }, { worker })
    }
    await bench.admin.sweep()
    const statuses = await bench.admin.queues()
    const left = statuses.reduce(
      (sum, { counts }) => sum + counts.delayed + counts.waiting + counts.ready + counts.suspect + counts.running,
      0,
    )
    if (shared.producing === 0 && left === 0) shared.over = true
    await passing(5)
  }
}

async function rowsOf({ tasks }: TaskBench, ids: readonly string[]): Promise<[string, string | undefined][]> {
  return (await tasks.get(ids)).map(({ id, worker }) => [id, worker])
}

function benchAt({ benches }: Storm, at: number): TaskBench {
  const bench = benches[at % benches.length]
  assert.ok(bench)
  return bench
}

async function settleOrReclaim({ open, openSecond }: Context): Promise<void> {
  const one = taskBench(await open())
  const other = taskBench(await openSecond())
  for (let round = 0; round < 6; round += 1) {
    const worker = `w${round}`
    const ids = await one.addAll(Array.from({ length: 20 }, () => ({ queue: `q${round}` })))
    const claimed = await one.claim({ queue: `q${round}`, worker })
    assert.equal(claimed.length, 20)
    const chunks = [claimed.slice(0, 5), claimed.slice(5, 10), claimed.slice(10, 20)]
    const settling = chunks.map(async (chunk, at) => {
      const bench = at % 2 === 0 ? one : other
      return (await bench.exchange({ worker, settles: chunk.map((task) => settleOf(task)) })).settled
    })
    const [taken, ...settled] = await Promise.all([
      other.tasks.reclaim({ worker, deadAfterCrashes: 9, error: taskError() }),
      ...settling,
    ])
    const counted = settled.flat().filter((each) => each === 'settled').length
    assert.equal(counted + taken, 20, 'each was settled or taken')
    const states = await other.states(ids)
    assert.deepEqual(
      states,
      settled.flat().map((each) => (each === 'settled' ? 'done' : 'suspect')),
    )
  }
}

async function oneBucket({ open, openSecond }: Context): Promise<void> {
  const benches = [taskBench(await open()), taskBench(await openSecond())]
  const [first] = benches
  assert.ok(first)
  await first.put('q', { rate: { limit: 10, perMs: 1_000 * 3_600_000 } })
  await first.put('k', { key: { rate: { limit: 5, perMs: 1_000 * 3_600_000 } } })
  await first.addAll(Array.from({ length: 40 }, (_, at) => ({ queue: at % 2 === 0 ? 'q' : 'k', key: 'k' })))
  const claims = ['q', 'k'].map((queue) => ({ queue, names: ['job'], limit: 3, suspects: 0 }))
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, at) => (benches[at % 2] ?? first).exchange({ worker: `w${at}`, claims })),
  )
  // Who came while another held the bucket may have gone away with less; nothing of it is lost.
  for (let at = 0; at < 10; at += 1) answers.push(await first.exchange({ worker: 'last', claims }))
  const started = answers.flatMap(({ claimed }) => claimed.flatMap(({ tasks }) => tasks))
  assert.equal(started.filter(({ queue }) => queue === 'q').length, 10)
  assert.equal(started.filter(({ queue }) => queue === 'k').length, 5)
}
