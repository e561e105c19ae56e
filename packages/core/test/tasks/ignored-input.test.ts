import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask, type Millrace, type TaskFlow } from '../../src/index.ts'
import { openShop } from './shop.ts'

const Job = defineTask('job', { input: z.number(), queue: 'jobs' })

/** Calls as code without types makes them: what was meant would not happen. */
const CALLS: readonly (readonly [what: string, path: string, call: (millrace: Millrace) => Promise<unknown>])[] = [
  [
    'dedupe with a misspelt member',
    'dedupe.widnow',
    (m) => m.enqueue(Job, 1, loose({ dedupe: { key: 'k', widnow: 5 } })),
  ],
  ['dedupe as a list', 'dedupe', (m) => m.enqueue(Job, 1, loose({ dedupe: ['k'] }))],
  ['metadata as a list', 'metadata', (m) => m.enqueue(Job, 1, loose({ metadata: [] }))],
  [
    'metadata with a misspelt member',
    'metadata.corelationId',
    (m) => m.enqueue(Job, 1, loose({ metadata: { corelationId: 'f' } })),
  ],
  ['a result with null', 'options', (m) => m.tasks.result('a', loose(null))],
  ['a result with a misspelt option', 'timeuot', (m) => m.tasks.result('a', loose({ timeuot: 5 }))],
  ['a result with a signal that is none', 'signal', (m) => m.tasks.result('a', loose({ signal: { aborted: false } }))],
  [
    'a handle that is waited for with null',
    'options',
    (m) => m.tasks.add('other', 0).then(({ result }) => result(loose(null))),
  ],
  ['following with a signal that is none', 'signal', (m) => followed(m, { signal: {} })],
  ['following with null', 'options', (m) => followed(m, null)],
  ['adding by name with null', 'options', (m) => m.tasks.add('job', 1, loose(null))],
  ['a priority that cannot be shown', 'priority', (m) => m.enqueue(Job, 1, loose({ priority: Object.create(null) }))],
  ['a signal that is none', 'signal', (m) => m.enqueue(Job, 1, loose({ signal: 'x' }))],
  ['a queue beside the definition', 'queue', (m) => m.enqueue(Job, 1, loose({ queue: 'other' }))],
  ['many with a transaction', 'tx', (m) => m.enqueueMany(Job, [1], loose({ tx: {} }))],
  ['many with one id', 'id', (m) => m.enqueueMany(Job, [1], loose({ id: 'x' }))],
  ['a hole among many', 'input', (m) => m.enqueueMany(Job, Object.assign([], { length: 2 }))],
  ['adding in a transaction', 'tx', (m) => m.tasks.add('job', 1, loose({ tx: {} }))],
  ['adding to a queue that is not its own', 'queue', (m) => known(m).then(() => m.tasks.add('job', 1, { queue: 'x' }))],
  ['a flow in a transaction', 'tx', (m) => m.enqueueFlow({ task: Job, input: 1, options: loose({ tx: {} }) })],
  [
    'a flow with a dedupe key',
    'dedupe',
    (m) => m.enqueueFlow({ task: Job, input: 1, options: loose({ dedupe: 'k' }) }),
  ],
  ['a flow that is misspelt', 'childen', (m) => m.enqueueFlow(loose<TaskFlow>({ task: Job, input: 1, childen: [] }))],
  ['a flow that is none', 'children', (m) => m.enqueueFlow(loose<TaskFlow>(undefined))],
]

it.each(CALLS)('refuses %s instead of leaving it out', async (_what, path, call) => {
  const { millrace, settle } = openShop()
  const code = path === 'input' ? 'task_input_invalid' : 'task_options_invalid'
  await expect(settle(call(millrace))).rejects.toMatchObject({ code, path })
  expect((await settle(millrace.tasks.list({ queue: 'jobs' }))).filter(({ input }) => input !== 0)).toEqual([])
})

const REQUESTS: readonly (readonly [what: string, path: string, call: (millrace: Millrace) => Promise<unknown>])[] = [
  ['an id of another type', 'id', (m) => m.tasks.get(loose(5))],
  ['no id', 'id', (m) => m.tasks.result(loose(undefined))],
  ['null as an id', 'id', (m) => m.tasks.logs(loose(null))],
  ['an id among others', 'ids', (m) => m.tasks.cancel(loose(['a', 5]))],
  ['a name of another type', 'name', (m) => m.tasks.list(loose({ name: 5 }))],
  ['a last one of another type', 'after', (m) => m.tasks.list(loose({ after: {} }))],
  ['a dry run that is null', 'dryRun', (m) => m.tasks.cancel('all', loose({ dryRun: null }))],
  ['schedules with null', 'options', (m) => m.schedules.list(loose(null))],
  ['schedules with a misspelt option', 'limt', (m) => m.schedules.list(loose({ limt: 5 }))],
  ['settings that no queue has', 'settings', (m) => known(m).then(() => m.queues.restore('jobs', loose(['nope'])))],
  ['settings that are no list', 'settings', (m) => known(m).then(() => m.queues.restore('jobs', loose('concurrency')))],
]

it.each(REQUESTS)('refuses %s before an engine is asked', async (_what, path, call) => {
  const { millrace, settle } = openShop()
  await expect(settle(call(millrace))).rejects.toMatchObject({ code: 'request_invalid', path })
})

it('refuses a schedule whose queue is not that of its task', async () => {
  const { millrace, settle } = openShop()
  const put = millrace.schedules.put('s', { every: 60_000 }, { task: Job, input: 1, options: { queue: 'other' } })
  await expect(settle(put)).rejects.toMatchObject({ code: 'schedule_invalid', path: 'options.queue' })
})

it('changes a task once that is named twice', async () => {
  const { millrace, settle } = openShop()
  const { id } = await settle(millrace.enqueue(Job, 1))
  expect((await settle(millrace.tasks.cancel([id, id], { dryRun: true }))).ids).toEqual([id])
  expect((await settle(millrace.tasks.cancel([id, id]))).ids).toEqual([id])
})

it('refuses a list that would fill the memory before it looks at it', async () => {
  const { millrace, settle } = openShop()
  const many = millrace.enqueueMany(Job, Array<number>(2 ** 32 - 1))
  await expect(settle(many)).rejects.toMatchObject({ code: 'limit_exceeded', path: 'inputs' })
})

it('shows no more of an unknown id than an id can have', async () => {
  const { millrace, settle } = openShop()
  const error = await settle(millrace.tasks.get('x'.repeat(100_000)).catch((caught: unknown) => caught))
  expect(String(error).length).toBeLessThan(500)
})

it('goes on firing into the new queue when a definition has moved', async () => {
  const { millrace, settle, another, runtime } = openShop()
  await settle(millrace.schedules.put('s', { every: 60_000 }, { task: Job, input: 1 }))
  await settle(millrace.close())
  const Moved = defineTask('job', { input: z.number(), queue: 'moved', ...loose<object>({ maxWaiting: undefined }) })
  const later = another()
  const seen: number[] = []
  await settle(later.work(Moved, (n) => void seen.push(n)))
  await runtime.advance(61_000)
  expect(seen).toEqual([1])
  await settle(later.schedules.runNow('s'))
  await runtime.advance(1_000)
  expect(seen).toEqual([1, 1])
})

async function known(millrace: Millrace): Promise<void> {
  await millrace.enqueue(Job, 0)
}

async function followed(millrace: Millrace, options: unknown): Promise<void> {
  const { id } = await millrace.tasks.add('other', 0)
  for await (const _task of millrace.tasks.follow(id, loose(options))) return
}

function loose<Value>(value: unknown): Value {
  return value as Value
}
