import assert from 'node:assert/strict'
import type { Context } from '../context.ts'
import { eventually } from '../eventually.ts'
import type { Property } from '../property.ts'
import { passing } from '../passing-time.ts'
import { HOUR, idsOf, only, taskBench, taskError } from './task-bench.ts'

/** The order of what is ready, and what makes a task wait for its time. */
export const orderAndDelayProperties: readonly Property[] = [
  { id: '36 tasks come by rank, then in the order of adding', needs: ['tasks'], run: rank },
  { id: '36 a head start passes what is younger than it, nothing older', needs: ['tasks'], run: ageing },
  { id: '36 a task that comes back keeps its rank', needs: ['tasks'], run: keepsRank },
  { id: '34 a task is not given before its delay', needs: ['tasks'], run: notBefore },
  { id: '34 a task is given after its delay, in its rank', needs: ['tasks'], run: after },
  { id: '34 a claim tells when the next is due', needs: ['tasks'], run: nextDue },
  { id: '34 a retry counts and waits, a release does not count', needs: ['tasks'], run: retryAndRelease },
]

async function rank({ open, random }: Context): Promise<void> {
  const { addAll, add, claim } = taskBench(await open())
  const heads = random.shuffled(Array.from({ length: 60 }, (_, at) => ((at % 6) - 2) * HOUR))
  const ids = await addAll(heads.slice(0, 40).map((headStartMs) => ({ headStartMs })))
  for (const headStartMs of heads.slice(40)) ids.push(await add({ headStartMs }))
  const expected = ids
    .map((id, at) => ({ id, head: heads[at] ?? 0, at }))
    .toSorted((one, other) => other.head - one.head || one.at - other.at)
  const claimed: string[] = []
  for (;;) {
    const tasks = await claim({ limit: 7 })
    if (tasks.length === 0) break
    claimed.push(...idsOf(tasks))
  }
  assert.deepEqual(claimed, idsOf(expected))
}

async function ageing({ open }: Context): Promise<void> {
  const { add, claim } = taskBench(await open())
  const old = await add()
  const low = await add({ headStartMs: -HOUR })
  await passing(80)
  const hurried = await add({ headStartMs: 20 })
  const critical = await add({ headStartMs: HOUR })
  const fresh = await add()
  assert.deepEqual(idsOf(await claim()), [critical, old, hurried, fresh, low])
}

async function keepsRank({ open }: Context): Promise<void> {
  const { addAll, claim, settle } = taskBench(await open())
  const ids = await addAll([{}, {}, {}, {}])
  const [first, second, third] = await claim({ limit: 3 })
  assert.ok(first && second && third)
  await settle(third, { as: 'release' })
  await settle(first, { as: 'retry', error: taskError() })
  await settle(second, { as: 'release' })
  assert.deepEqual(idsOf(await claim()), ids)
}

async function notBefore({ open }: Context): Promise<void> {
  const { add, claim, row } = taskBench(await open())
  const later = await add({ delayMs: HOUR, headStartMs: 100 * HOUR })
  const now = await add()
  assert.deepEqual(idsOf(await claim()), [now])
  const delayed = await row(later)
  assert.deepEqual([delayed.state, delayed.delayedBy], ['delayed', 'delay'])
  assert.ok(Math.abs(delayed.dueAt - delayed.addedAt - HOUR) <= 1)
  const began = performance.now()
  await add({ delayMs: 150 })
  await eventually('the task is due', async () => (await claim()).length === 1)
  const waited = performance.now() - began
  assert.ok(waited >= 145, `it came after ${waited} ms, before its delay of 150 ms`)
}

async function after({ open }: Context): Promise<void> {
  const { add, claim, row } = taskBench(await open())
  const slow = await add({ delayMs: 160 })
  const urgent = await add({ delayMs: 120, headStartMs: HOUR })
  const soon = await add({ delayMs: 40 })
  await passing(200)
  const younger = await add()
  // On a busy machine adding may take longer than the delays differ: their own times say who came first.
  const rows = await Promise.all([slow, urgent, soon, younger].map((id) => row(id)))
  const inRank = rows.toSorted((one, other) => one.dueAt - one.headStartMs - (other.dueAt - other.headStartMs))
  const claimed = await claim()
  assert.deepEqual(idsOf(claimed), idsOf(inRank))
  assert.equal(claimed[0]?.id, urgent)
  for (const { ageMs, waitedMs } of claimed.slice(0, 3)) assert.ok(ageMs >= 190 && waitedMs < ageMs, `${waitedMs}`)
  assert.equal((await row(slow)).delayedBy, undefined)
}

async function nextDue({ open }: Context): Promise<void> {
  const { add, ask } = taskBench(await open())
  await add({ delayMs: HOUR })
  await add({ delayMs: 2 * HOUR })
  const { nextMs = 0 } = await ask()
  assert.ok(nextMs > HOUR - 600_000 && nextMs <= HOUR, `the next is due in ${nextMs} ms`)
  await add({ delayMs: 60 })
  const soon = await ask()
  if (soon.tasks.length === 0)
    assert.ok(soon.nextMs !== undefined && soon.nextMs > 0 && soon.nextMs <= 61, `${soon.nextMs}`)
  await add()
  await add()
  assert.equal((await ask({ limit: 1 })).nextMs, 0)
}

async function retryAndRelease({ open }: Context): Promise<void> {
  const { add, claim, settle, row } = taskBench(await open())
  const id = await add()
  const first = only(await claim())
  await settle(first, { as: 'retry', error: taskError('one') })
  const second = only(await claim())
  assert.deepEqual([second.id, second.starts, second.attempts], [id, 2, 1])
  await settle(second, { as: 'release' })
  const third = only(await claim())
  assert.deepEqual([third.id, third.starts, third.attempts], [id, 3, 1])
  assert.equal((await row(id)).error?.fingerprint, 'one', 'the last failure stays')
  await settle(third, { as: 'retry', delayMs: HOUR, error: taskError('two') })
  assert.deepEqual(await claim(), [])
  const waiting = await row(id)
  assert.deepEqual([waiting.state, waiting.attempts, waiting.delayedBy], ['delayed', 2, 'retry'])
  assert.equal(waiting.error?.fingerprint, 'two')
  assert.ok(waiting.dueAt - waiting.addedAt > HOUR - 1, 'it is due after the delay of its retry')
  const other = await add()
  await settle(only(await claim()), { as: 'release', delayMs: HOUR })
  const released = await row(other)
  assert.deepEqual([released.state, released.attempts, released.worker], ['delayed', 0, undefined])
  const short = await add()
  await settle(only(await claim()), { as: 'retry', delayMs: 50 })
  const again = await eventually('the retry is due', async () => (await claim())[0])
  assert.deepEqual([again.id, again.attempts], [short, 1])
}
