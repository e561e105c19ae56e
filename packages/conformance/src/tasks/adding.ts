import assert from 'node:assert/strict'
import { DEFAULT_QUEUE_SETTINGS } from '@millrace/core/driver'
import type { Context } from '../context.ts'
import type { Property } from '../property.ts'
import { HOUR, idsOf, newTask, only, taskBench } from './task-bench.ts'

/** What adding a task must do. */
export const addingProperties: readonly Property[] = [
  { id: '50 a task comes with all that it was given', needs: ['tasks'], run: complete },
  { id: '50 any body comes back as it was', needs: ['tasks'], run: bodies },
  { id: '50 a task that is sent again is left as it is', needs: ['tasks'], run: resend },
  { id: '50 of an id that is taken is told by what', needs: ['tasks'], run: taken },
  { id: '50 a task that two send at once is added once', needs: ['tasks', 'secondProcess'], run: sentTwice },
  { id: '50 a queue is made by its first task', needs: ['tasks'], run: newQueue },
  { id: '50 tasks outlive a restart in their states', needs: ['tasks', 'restart'], run: outlives },
]

async function complete({ open }: Context): Promise<void> {
  const { add, claim, row } = taskBench(await open())
  const body = JSON.stringify({ input: 1 })
  const wish = { body, key: 'k', tenant: 't', headStartMs: 7, expiresInMs: HOUR, name: 'job' }
  const before = Date.now()
  const id = await add(wish)
  const added = await row(id)
  const { queue, name, state, starts, attempts, crashes, pendingChildren, cancelling } = added
  assert.deepEqual(
    { queue, name, state, starts, attempts, crashes, pendingChildren, cancelling },
    {
      queue: 'q',
      name: 'job',
      state: 'ready',
      starts: 0,
      attempts: 0,
      crashes: 0,
      pendingChildren: 0,
      cancelling: false,
    },
  )
  assert.deepEqual([added.body, added.key, added.tenant, added.headStartMs], [body, 'k', 't', 7])
  assert.deepEqual([added.worker, added.startedAt, added.endedAt, added.delayedBy], Array(4).fill(undefined))
  assert.deepEqual([added.output, added.error, added.progress, added.parent, added.dedupeKey], Array(5).fill(undefined))
  assert.ok(Math.abs(added.addedAt - before) < 600_000 && Number.isInteger(added.addedAt), 'whole milliseconds')
  assert.ok(Math.abs((added.expiresAt ?? 0) - added.addedAt - HOUR) <= 1)
  assert.ok(Math.abs(added.dueAt - added.addedAt) <= 1)
  const { ageMs, waitedMs, expiresInMs = 0, ...claimed } = only(await claim())
  assert.deepEqual(claimed, {
    id,
    queue: 'q',
    name: 'job',
    body,
    key: 'k',
    tenant: 't',
    starts: 1,
    attempts: 0,
    crashes: 0,
    hasChildren: false,
  })
  assert.ok(ageMs >= 0 && ageMs < 600_000 && waitedMs >= 0 && waitedMs <= ageMs + 1, `${ageMs} and ${waitedMs} ms`)
  assert.ok(expiresInMs > HOUR - 600_000 && expiresInMs <= HOUR)
  const running = await row(id)
  assert.deepEqual([running.state, running.worker, running.starts], ['running', 'w', 1])
  assert.ok((running.startedAt ?? 0) >= running.addedAt)
}

async function bodies({ open }: Context): Promise<void> {
  const { addAll, claim, row } = taskBench(await open())
  const texts = [
    '',
    '{"a":"é 漢 😀 \\u0000 \' \\" \\\\"}',
    JSON.stringify('x'.repeat(300_000)),
    '[null,1.5e300]',
    "';--",
    '\u2028\n\t',
  ]
  const ids = await addAll(
    texts.map((body) => ({ body, key: body.slice(0, 20) || undefined, tenant: `T ${body.slice(0, 9)}` })),
  )
  for (const [at, id] of ids.entries()) assert.equal((await row(id)).body, texts[at])
  const claimed = await claim()
  assert.deepEqual(
    claimed.map(({ body }) => body),
    texts,
  )
  assert.equal(claimed[1]?.key, texts[1]?.slice(0, 20))
}

async function resend({ open }: Context): Promise<void> {
  const { tasks, claim, settle, states } = taskBench(await open())
  const [ready, running, ended, delayed] = [newTask(), newTask(), newTask(), newTask({ delayMs: HOUR })]
  const all = [running, ended, ready, delayed, running]
  const stored = all.map(({ id }) => ({ outcome: 'stored', id }))
  assert.deepEqual(await tasks.enqueue(all), stored)
  const [, second] = await claim({ limit: 2 })
  assert.ok(second)
  await settle(second, { output: '1' })
  const before = await tasks.get(idsOf(all))
  const again = all.map((task) => ({ ...task, headStartMs: 9, delayMs: 0 }))
  assert.deepEqual(await tasks.enqueue(again), stored)
  assert.deepEqual(await tasks.get(idsOf(all)), before)
  assert.deepEqual(await states(idsOf(all)), ['running', 'done', 'ready', 'delayed', 'running'])
  assert.deepEqual(idsOf(await claim()), [ready.id])
}

async function taken({ open }: Context): Promise<void> {
  const { tasks, admin, claim, settle } = taskBench(await open())
  const body = '{"a":"é 漢 😀 \\\\ \\u0000"}'
  const [plain, keyed, delayed, ended] = [
    newTask({ body }),
    newTask({ key: 'k', id: 'ä\\"' }),
    newTask({ delayMs: HOUR }),
    newTask({ name: 'first' }),
  ]
  await tasks.enqueue([plain, keyed, delayed, ended])
  await settle(only(await claim({ names: ['first'] })))
  const of = ({ id, name, body: stored }: typeof plain): object => ({ outcome: 'taken', id, name, body: stored })
  const free = newTask()
  const wishes = [
    { ...plain, body: '"other"' },
    { ...delayed, name: 'other' },
    { ...ended, body: '"other"', queue: 'elsewhere' },
  ]
  const outcomes = [of(plain), of(delayed), of(ended)]
  assert.deepEqual(await tasks.enqueue(wishes), outcomes, 'all the same')
  assert.deepEqual(await tasks.enqueue([...wishes, free]), [...outcomes, { outcome: 'stored', id: free.id }])
  const late = newTask({ delayMs: HOUR })
  assert.deepEqual(await tasks.enqueue([{ ...plain, body: '' }, late, { ...late, name: 'twin' }]), [
    of(plain),
    { outcome: 'stored', id: late.id },
    of(late),
  ])
  const special = [{ ...keyed, body: '"other"' }, { ...plain, key: 'k' }, newTask({ key: 'k' })]
  assert.deepEqual(await tasks.enqueue(special), [
    of(keyed),
    { outcome: 'stored', id: plain.id },
    { outcome: 'stored', id: special[2]?.id },
  ])
  const [parent, child] = [newTask({ children: 1 }), { ...keyed, body: '"child"' }]
  assert.deepEqual(await tasks.enqueue([parent, { ...child, parent: parent.id }]), [
    { outcome: 'stored', id: parent.id },
    of(keyed),
  ])
  const rows = await tasks.get(idsOf([plain, keyed, delayed, ended]))
  assert.deepEqual(
    rows.map((row) => [row.name, row.body]),
    [plain, keyed, delayed, ended].map((task) => [task.name, task.body]),
    'what is there is left as it is',
  )
  await admin.change([ended.id], { action: 'discard' })
  assert.deepEqual(await tasks.enqueue([{ ...ended, body: '"new"' }]), [{ outcome: 'stored', id: ended.id }])
}

async function sentTwice({ open, openSecond }: Context): Promise<void> {
  const benches = [taskBench(await open()), taskBench(await openSecond())]
  const wanted = Array.from({ length: 60 }, (_, at) => newTask({ key: `k${at % 3}` }))
  const chunks = [wanted.slice(0, 40), wanted.slice(20), wanted.slice(10, 50)]
  await Promise.all(chunks.flatMap((chunk) => benches.map(({ tasks }) => tasks.enqueue(chunk))))
  const claimed = await benches[0]?.claim()
  assert.deepEqual(idsOf(claimed ?? []).toSorted(), idsOf(wanted).toSorted())
  assert.equal((await benches[1]?.status('q'))?.counts.running, 60)
}

async function newQueue({ open }: Context): Promise<void> {
  const { add, admin, claim } = taskBench(await open())
  assert.deepEqual(await admin.queues(), [])
  assert.deepEqual(await claim({ queue: 'nobody made it' }), [])
  await add({ queue: 'b', name: 'one' })
  await add({ queue: 'a/ä', name: 'two', delayMs: HOUR })
  const [first, second, ...others] = await admin.queues()
  assert.deepEqual(
    others.filter(({ name }) => name !== 'nobody made it'),
    [],
  )
  const [made, other] = first?.name === 'a/ä' ? [second, first] : [first, second]
  assert.deepEqual([made?.name, made?.version, made?.readyNames, made?.exact], ['b', 0, ['one'], true])
  assert.deepEqual(made?.settings, DEFAULT_QUEUE_SETTINGS)
  assert.ok((made?.oldestReadyMs ?? -1) >= 0)
  assert.deepEqual([other?.counts.delayed, other?.counts.ready, other?.readyNames], [1, 0, []])
  assert.equal(other?.oldestReadyMs, undefined)
}

async function outlives(context: Context): Promise<void> {
  const { add, claim, settle, tasks, put } = taskBench(await context.open())
  await put('q', { key: { order: true } })
  const running = await add({ key: 'k' })
  const ids = [running, await add({ key: 'k' }), await add({ delayMs: HOUR }), await add(), await add()]
  const [first, done] = await claim({ limit: 2 })
  assert.ok(first && done)
  await settle(done, { output: '{"kept":true}' })
  const before = await tasks.get(ids)
  const again = taskBench(await context.restart())
  assert.deepEqual(await again.tasks.get(ids), before)
  assert.deepEqual(await again.states(ids), ['running', 'waiting', 'delayed', 'done', 'ready'])
  assert.deepEqual(await again.tasks.holders(), ['w'])
  assert.equal((await again.status('q')).settings.key.order, true)
  assert.equal(await again.settle(first), 'settled')
  assert.deepEqual(idsOf(await again.claim({ limit: 9 })), [ids[1], ids[4]])
}
