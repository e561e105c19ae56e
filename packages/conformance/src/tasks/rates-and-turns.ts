import assert from 'node:assert/strict'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import type { Property } from '../property.ts'
import { passing } from '../passing-time.ts'
import { HOUR, idsOf, settleOf, taskBench } from './task-bench.ts'

/** What rates and turns of tenants must do. */
export const rateAndTurnProperties: readonly Property[] = [
  { id: '53 a queue starts no more than its rate', needs: ['tasks'], run: queueRate },
  { id: '53 tokens of a queue come with time', needs: ['tasks'], run: queueTokens },
  { id: '53 a key starts no more than its rate', needs: ['tasks'], run: keyRate },
  { id: '53 a key that is held goes on with a new rate', needs: ['tasks'], run: newKeyRate },
  { id: '53 tokens of a key come with time, also while nobody claims', needs: ['tasks'], run: keyTokens },
  { id: '53 a retry takes a token too', needs: ['tasks'], run: retryToken },
  { id: '54 tenants take turns whatever one of them piles up', needs: ['tasks'], run: turns },
  { id: '54 a delayed task does not push its tenant back', needs: ['tasks'], run: delayedTurn },
]

async function queueRate({ open }: Context): Promise<void> {
  const { addAll, ask, put, status } = taskBench(await open())
  await put('q', {})
  assert.equal((await status('q')).nextTokenMs, undefined)
  await put('q', { rate: { limit: 3, perMs: HOUR } })
  assert.equal((await status('q')).nextTokenMs, 0)
  const ids = await addAll(Array.from({ length: 6 }, (_, at) => ({ key: `k${at % 2}` })))
  const { tasks, nextMs = 0 } = await ask()
  assert.deepEqual(idsOf(tasks), ids.slice(0, 3))
  assert.ok(nextMs > HOUR / 3 - 600_000 && nextMs <= HOUR / 3, `the next token comes in ${nextMs} ms`)
  assert.deepEqual((await ask({ worker: 'other' })).tasks, [])
  const { nextTokenMs = 0 } = await status('q')
  assert.ok(nextTokenMs > HOUR / 3 - 600_000 && nextTokenMs <= HOUR / 3, `its status says in ${nextTokenMs} ms`)
  await put('q', { fairMs: 1 })
  assert.deepEqual((await ask()).tasks, [], 'settings that leave the rate leave the tokens')
  await put('q', { rate: undefined })
  assert.deepEqual(idsOf((await ask()).tasks), ids.slice(3))
}

async function queueTokens({ open }: Context): Promise<void> {
  const { addAll, ask, put } = taskBench(await open())
  const rate = { limit: 4, perMs: 400 }
  await put('q', { rate })
  await addAll(Array.from({ length: 12 }, () => ({})))
  const began = performance.now()
  let started = 0
  await eventually('all are started', async () => {
    const { tasks, nextMs } = await ask({ limit: 5 })
    started += tasks.length
    const most = rate.limit + ((performance.now() - began) * rate.limit) / rate.perMs + 1
    assert.ok(started <= most, `${started} were started where ${most} may be`)
    if (started < 12 && tasks.length < 5)
      assert.ok(nextMs !== undefined && nextMs <= 101, `a token comes in ${nextMs} ms`)
    return started === 12
  })
}

async function keyRate({ open }: Context): Promise<void> {
  const { addAll, claim, row, states, put, settle, ask } = taskBench(await open())
  await put('q', { key: { rate: { limit: 2, perMs: HOUR } } })
  const ids = await addAll([{ key: 'a' }, { key: 'a' }, { key: 'a' }, { key: 'a' }, { key: 'b' }, {}])
  const claimed = await claim()
  assert.deepEqual(idsOf(claimed), [ids[0], ids[1], ids[4], ids[5]])
  for (const task of claimed) await settle(task)
  const { tasks, nextMs = 0 } = await ask()
  assert.deepEqual(tasks, [])
  assert.ok(nextMs > HOUR / 2 - 600_000 && nextMs <= HOUR / 2, `the next token comes in ${nextMs} ms`)
  assert.deepEqual((await states(ids)).slice(2, 4), ['delayed', 'waiting'])
  const held = await row(ids[2] ?? '')
  assert.equal(held.delayedBy, 'rate')
  assert.ok(Math.abs(held.dueAt - held.addedAt - HOUR / 2) < 600_000, 'it is due when its token is there')
}

async function keyTokens({ open }: Context): Promise<void> {
  const { addAll, exchange, put } = taskBench(await open())
  const rate = { limit: 2, perMs: 300 }
  await put('q', { key: { rate } })
  await addAll(Array.from({ length: 8 }, () => ({ key: 'a' })))
  await passing(700)
  const claims = [{ queue: 'q', names: ['job'], limit: 9, suspects: 1 }]
  const began = performance.now()
  let started = 0
  let settles: ReturnType<typeof settleOf>[] = []
  await eventually('all are started', async () => {
    const { claimed } = await exchange({ settles, claims })
    settles = claimed.flatMap(({ tasks }) => tasks.map((task) => settleOf(task)))
    started += settles.length
    const most = rate.limit + ((performance.now() - began) * rate.limit) / rate.perMs + 1
    assert.ok(started <= most, `${started} were started where ${most} may be`)
    return started === 8
  })
}

async function retryToken({ open }: Context): Promise<void> {
  const { add, claim, settle, row, put } = taskBench(await open())
  await put('q', { key: { rate: { limit: 2, perMs: HOUR }, order: true } })
  const id = await add({ key: 'a' })
  for (let at = 0; at < 2; at += 1) {
    const [task] = await claim()
    assert.equal(task?.id, id)
    await settle({ id, starts: at + 1 }, { as: 'retry' })
  }
  assert.deepEqual(await claim(), [])
  const held = await row(id)
  assert.deepEqual([held.state, held.delayedBy, held.attempts], ['delayed', 'rate', 2])
}

async function turns({ open }: Context): Promise<void> {
  const { addAll, add, claim, put } = taskBench(await open())
  await put('q', { fairMs: 60_000 })
  const many = await addAll(Array.from({ length: 6 }, () => ({ tenant: 'many' })))
  const few = await addAll([{ tenant: 'few' }, { tenant: 'few' }])
  const one = await add({ tenant: 'one' })
  const nobody = await addAll([{}, {}])
  const urgent = await add({ tenant: 'many', headStartMs: HOUR })
  const order = [urgent, many[0], few[0], one, ...nobody, many[1], few[1], ...many.slice(2)]
  assert.deepEqual(idsOf(await claim()), order)
  const [late, fresh] = [await add({ tenant: 'many' }), await add({ tenant: 'fresh' })]
  assert.deepEqual(idsOf(await claim()), [fresh, late], 'who has had many turns is behind who has had none')
}

async function delayedTurn({ open }: Context): Promise<void> {
  const { add, claim, put } = taskBench(await open())
  await put('q', { fairMs: HOUR })
  await add({ tenant: 'a', delayMs: 10 * HOUR })
  const mine = await add({ tenant: 'a' })
  await put('q', { fairMs: 3 * HOUR })
  const [other, next] = [await add({ tenant: 'b' }), await add({ tenant: 'b' })]
  assert.deepEqual(idsOf(await claim()), [other, mine, next])
}

async function newKeyRate({ open }: Context): Promise<void> {
  const { addAll, claim, put, states, sweep } = taskBench(await open())
  await put('q', { key: { rate: { limit: 1, perMs: HOUR } } })
  const ids = await addAll([{ key: 'a' }, { key: 'a' }, { key: 'a' }, { key: 'b' }, { key: 'b' }])
  assert.equal((await claim()).length, 2)
  assert.deepEqual(await states(ids), ['running', 'delayed', 'waiting', 'running', 'delayed'])
  await put('q', { key: { rate: { limit: 100, perMs: 1 } } })
  await sweep()
  const claimed = [...(await claim()), ...(await claim())]
  assert.deepEqual(new Set(idsOf(claimed)), new Set([ids[1], ids[2], ids[4]]))
  assert.equal(claimed.length, 3)
}
