import { expect, it } from 'vitest'
import { z } from 'zod'
import { channels, defineEvent, defineTask, type IncidentDiagnosis, type TaskView } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { taskStoresOf } from '../../src/testing.ts'
import { changed } from '../changed-engine.ts'
import { openShop } from './shop.ts'

const Job = defineTask('job', { input: z.string(), backoff: { type: 'fixed', delay: 10 } })
const Root = defineTask('root', { input: z.string() })

it('runs a task when its children have ended, with their outputs', async () => {
  const { millrace, settle } = openShop()
  await settle(millrace.work(Job, (input) => input.toUpperCase()))
  await settle(
    millrace.work(Root, async (input, task) => {
      const children = await task.children()
      return `${input}:${children.map(({ output }) => String(output)).join('')}`
    }),
  )
  const handle = await settle(
    millrace.enqueueFlow({
      task: Root,
      input: 'all',
      children: [
        { task: Job, input: 'a' },
        { task: Job, input: 'b' },
      ],
    }),
  )
  expect(await settle(handle.result())).toBe('all:AB')
  const tasks = await settle(millrace.tasks.list({ parent: handle.id }))
  expect(tasks.map(({ metadata }) => [metadata.correlationId, metadata.causationId])).toEqual([
    [handle.id, handle.id],
    [handle.id, handle.id],
  ])
})

it.each([
  ['fail', 'task_child_failed'],
  ['continue', 'dead,done'],
] as const)('goes on after a child failed as its flow says: %s', async (onChildFailure, expected) => {
  const { millrace, settle } = openShop()
  await settle(millrace.work(Job, (input, task) => (input === 'bad' ? task.reject('bad') : input)))
  await settle(millrace.work(Root, async (_input, task) => (await task.children()).map(({ state }) => state).join(',')))
  const children = ['bad', 'good'].map((input) => ({ task: Job, input }))
  const handle = await settle(millrace.enqueueFlow({ task: Root, input: 'x', children, onChildFailure }))
  const ended = await settle(handle.result().catch((error: { code: string }) => error.code))
  expect(ended).toBe(expected)
})

it('continues the flow of the task that enqueues or publishes', async () => {
  const { millrace, settle } = openShop()
  const Done = defineEvent('job.done', { schema: z.object({ by: z.string() }) })
  await settle(
    millrace.work(Root, async () => {
      const child = await millrace.enqueue(Job, 'child')
      const { id } = await millrace.publish(Done, { by: 'root' })
      return { child: child.id, event: id }
    }),
  )
  const root = await settle(
    millrace.enqueue(Root, 'x', { metadata: { correlationId: 'flow-1', userId: 'ann', sessionId: 's' } }),
  )
  const { child, event } = (await settle(root.result())) as { child: string; event: string }
  expect((await settle(millrace.tasks.get(child))).metadata).toMatchObject({
    correlationId: 'flow-1',
    causationId: root.id,
    userId: 'ann',
  })
  const [published] = await settle(millrace.find(event))
  expect(published?.metadata).toMatchObject({ correlationId: 'flow-1', causationId: root.id, userId: 'ann' })
})

it('shows progress and logs, collected, and publishes progress as events', async () => {
  const { millrace, settle, runtime } = openShop()
  await settle(
    millrace.work(Job, async (_input, task) => {
      for (let done = 0; done <= 100; done += 1) {
        task.progress({ done, total: 100, stage: 'counting' })
        await new Promise<void>((resolve) => void runtime.setTimer(resolve, 10))
      }
      task.progress({ done: Number.NaN, total: -5 })
      task.progress({ done: 50 })
      task.log('counted')
    }),
  )
  const handle = await settle(millrace.enqueue(Job, 'x'))
  const views: TaskView[] = []
  void (async () => {
    for await (const view of millrace.tasks.follow(handle.id)) views.push(view)
  })()
  await runtime.advance(510)
  const halfway = await settle(millrace.tasks.progress(handle.id))
  expect(halfway?.percent).toBeGreaterThan(20)
  expect(halfway?.remainingMs).toBeGreaterThan(400)
  await settle(handle.result())
  expect(await settle(millrace.tasks.progress(handle.id))).toMatchObject({ done: 100, percent: 100, remainingMs: 0 })
  expect(await settle(millrace.tasks.logs(handle.id))).toEqual(['counted'])
  await runtime.advance(1_000)
  expect(views.at(-1)?.state).toBe('done')
  const { events } = await settle(millrace.read({ topics: ['task'] }))
  expect(events.length).toBeGreaterThan(2)
  expect(events.length).toBeLessThan(8)
  expect(events.every(({ type, key }) => type === 'task.progressed' && key === handle.id)).toBe(true)
})

it('says why a task waits', async () => {
  const { millrace, settle, runtime } = openShop()
  const Keyed = defineTask('keyed', { input: z.string(), key: (input) => input, perKey: { concurrency: 1 } })
  const reasons = async (id: string): Promise<readonly string[]> =>
    (await settle(millrace.tasks.explain(id))).reasons.map(({ kind }) => kind)
  const lonely = await settle(millrace.enqueue(Job, 'a'))
  expect(await reasons(lonely.id)).toEqual(['no-worker'])
  const delayed = await settle(millrace.enqueue(Job, 'b', { delay: 60_000 }))
  expect((await reasons(delayed.id))[0]).toBe('delayed')
  await settle(millrace.work(Keyed, () => new Promise(() => {}), { concurrency: 1 }))
  const running = await settle(millrace.enqueue(Keyed, 'k'))
  await runtime.advance(10)
  const waiting = await settle(millrace.enqueue(Keyed, 'k'))
  expect(await settle(millrace.tasks.explain(waiting.id))).toMatchObject({
    reasons: [{ kind: 'key-busy', key: 'k', running: [running.id] }],
    text: `Its key "k" is busy with ${running.id}.`,
  })
  await settle(millrace.enqueue(Keyed, 'other'))
  const behind = await settle(millrace.enqueue(Keyed, 'third'))
  expect((await settle(millrace.tasks.explain(behind.id))).reasons).toContainEqual({
    kind: 'behind',
    ahead: 2,
    atLeast: false,
  })
  await settle(millrace.queues.pause('keyed'))
  expect(await reasons(behind.id)).toContain('queue-paused')
  expect(await reasons(running.id)).toEqual(['running'])
  await expect(settle(millrace.tasks.explain('nothing'))).rejects.toMatchObject({ code: 'task_unknown' })
})

it('names what keeps the place of a key while it is not running', async () => {
  const { millrace, settle } = openShop()
  const Ordered = defineTask('ordered', { input: z.string(), key: () => 'k', perKey: { order: true } })
  const later = await settle(millrace.enqueueMany(Ordered, Array<string>(12).fill('later'), { delay: 60_000 }))
  const first = await settle(millrace.enqueue(Ordered, 'first'))
  const second = await settle(millrace.enqueue(Ordered, 'second'))
  const holders = async (): Promise<unknown> =>
    (await settle(millrace.tasks.explain(second.id))).reasons.find(({ kind }) => kind === 'key-busy')
  expect(await holders()).toEqual({ kind: 'key-busy', key: 'k', running: [first.id] })
  await settle(millrace.tasks.cancel(later.map(({ id }) => id)))
  await settle(millrace.tasks.postpone([first.id], 60_000))
  expect(await holders()).toEqual({ kind: 'key-busy', key: 'k', running: [first.id] })
})

it('lets operators pause a queue before its first task', async () => {
  const { millrace, settle, runtime } = openShop()
  await settle(millrace.work(Job, (input) => input))
  await settle(millrace.queues.pause('job'))
  const { id } = await settle(millrace.enqueue(Job, 'a'))
  await runtime.advance(1_000)
  expect((await settle(millrace.tasks.get(id))).state).toBe('ready')
  await settle(millrace.queues.resume('job'))
  expect(await settle(millrace.tasks.result(id))).toBe('a')
})

it('warns of tasks whose name no worker knows', async () => {
  const { millrace, settle, runtime } = openShop()
  const incidents: IncidentDiagnosis[] = []
  const listen = (message: unknown): void => void incidents.push(message as IncidentDiagnosis)
  channels.incident.subscribe(listen)
  try {
    await settle(millrace.enqueue(Job, 'a'))
    await settle(millrace.work(Root, () => 'x'))
    await runtime.advance(120_000)
    expect(incidents.map(({ kind, topic, group }) => [kind, topic, group])).toContainEqual([
      'task-without-worker',
      'job',
      'queue:job',
    ])
    expect((await settle(millrace.queues.get('job'))).withoutWorker).toEqual(['job'])
  } finally {
    channels.incident.unsubscribe(listen)
  }
})

it('shows dead tasks among the dead letters, with the ways back', async () => {
  const { millrace, settle, runtime } = openShop()
  const bad = new Set(['a', 'b', 'c'])
  await settle(
    millrace.work(Job, (input, task) => (bad.has(input) ? task.reject(`no ${input.length}`) : input.toUpperCase())),
  )
  const handles = await settle(millrace.enqueueMany(Job, ['a', 'b', 'c', 'd']))
  await runtime.advance(1_000)
  const letters = await settle(millrace.deadLetters.list({ group: 'queue:job' }))
  expect(letters.map(({ eventType, error, attempts }) => [eventType, error.code, attempts])).toEqual(
    Array.from({ length: 3 }, () => ['job', 'task_rejected', 1]),
  )
  const [count] = await settle(millrace.deadLetters.counts())
  expect(count).toMatchObject({ group: 'queue:job', count: 3, code: 'task_rejected' })
  expect(count?.lastFailedAt).toBe(letters[0]?.lastFailedAt)
  const letter = await settle(millrace.deadLetters.get(`task:${handles[0]?.id}`))
  expect(letter.position).toBe(handles[0]?.id)
  await expect(settle(millrace.deadLetters.edit(letter.id, 5))).rejects.toMatchObject({ code: 'task_input_invalid' })
  await settle(millrace.deadLetters.edit(letter.id, 'edited'))
  expect(await settle(handles[0]?.result() ?? Promise.resolve())).toBe('EDITED')
  bad.clear()
  const fingerprint = count?.fingerprint ?? ''
  expect((await settle(millrace.deadLetters.requeue({ fingerprint }, { dryRun: true }))).ids).toHaveLength(2)
  expect((await settle(millrace.deadLetters.requeue({ fingerprint }))).ids).toHaveLength(2)
  expect(await settle(handles[1]?.result() ?? Promise.resolve())).toBe('B')
  expect(await settle(millrace.deadLetters.list())).toEqual([])
})

it('changes many tasks by a filter', async () => {
  const { millrace, settle } = openShop()
  const names = Array.from({ length: 1_500 }, (_, n) => String(n))
  await settle(millrace.enqueueMany(Job, names, { delay: 60_000 }))
  expect((await settle(millrace.tasks.cancel({ name: 'job' }, { dryRun: true }))).ids).toHaveLength(1_500)
  expect((await settle(millrace.tasks.prioritise({ name: 'job' }, 'high'))).ids).toHaveLength(1_500)
  expect((await settle(millrace.tasks.cancel({ name: 'job', limit: 10 }))).ids).toHaveLength(10)
  expect((await settle(millrace.tasks.cancel({ name: 'job' }))).ids).toHaveLength(1_490)
  expect((await settle(millrace.tasks.discard({ states: ['cancelled'] }))).ids).toHaveLength(1_500)
  expect(await settle(millrace.tasks.list())).toEqual([])
  await expect(settle(millrace.tasks.list({ limit: 5_000 }))).rejects.toMatchObject({ code: 'request_invalid' })
})

it('adds by name what it does not know; its worker checks the input', async () => {
  const shop = openShop()
  const { millrace, settle } = shop
  const right = await settle(millrace.tasks.add('job', 'fine'))
  const wrong = await settle(millrace.tasks.add('job', { not: 'a text' }))
  await settle(shop.another().work(Job, (input) => input))
  expect(await settle(right.result())).toBe('fine')
  await expect(settle(wrong.result())).rejects.toMatchObject({ code: 'task_input_invalid' })
})

it('waits for a result no longer than it is told', async () => {
  const { millrace, settle } = openShop()
  const handle = await settle(millrace.enqueue(Job, 'a'))
  await expect(settle(handle.result({ timeout: 500 }))).rejects.toMatchObject({ code: 'wait_timeout' })
  const controller = new AbortController()
  const aborted = handle.result({ signal: controller.signal })
  controller.abort()
  await expect(settle(aborted)).rejects.toMatchObject({ code: 'aborted' })
  await expect(settle(millrace.tasks.result('nothing'))).rejects.toMatchObject({ code: 'task_unknown' })
})

it('asks the store once for all that are waited for, and less and less often', async () => {
  const looks: number[] = []
  const counting = changed(memory(), (driver) => {
    const { tasks } = taskStoresOf(driver)
    return {
      tasks: {
        get(ids) {
          looks.push(ids.length)
          return tasks.get(ids)
        },
      },
    }
  })
  const { millrace, settle, runtime } = openShop({ engine: counting })
  const handles = await settle(
    millrace.enqueueMany(
      Job,
      Array.from({ length: 400 }, (_, n) => String(n)),
    ),
  )
  const results = Promise.allSettled(handles.map((handle) => handle.result({ timeout: 20_000 })))
  await runtime.advance(10_000)
  expect(looks.every((ids) => ids === 400)).toBe(true)
  expect(looks.length).toBeLessThan(20)
  await settle(results)
})

it('says when the next token of the rate comes, and nothing of a rate that has one', async () => {
  const { millrace, settle, runtime } = openShop()
  const Rated = defineTask('rated', { rateLimit: { limit: 2, per: 60_000 } })
  const handles = await settle(millrace.enqueueMany(Rated, [undefined, undefined, undefined]))
  const last = handles[2]?.id ?? ''
  const rate = async (): Promise<unknown> =>
    (await settle(millrace.tasks.explain(last))).reasons.find(({ kind }) => kind === 'queue-rate')
  expect(await rate()).toBeUndefined()
  const began = runtime.now()
  await settle(millrace.work(Rated, () => undefined))
  await runtime.advance(1_000)
  const { until } = (await rate()) as { readonly until: string }
  expect(Date.parse(until) - began).toBeGreaterThanOrEqual(30_000)
  expect(Date.parse(until) - began).toBeLessThan(30_500)
  expect((await settle(millrace.tasks.explain(last))).text).toBe(
    `Its queue may start 2 tasks in 60000 ms; the next may start at ${until}.`,
  )
})

it('says of tasks in a queue that was renamed in code that nobody takes them from it', async () => {
  const { millrace, settle, another } = openShop()
  const Old = defineTask('moved', { queue: 'old' })
  const New = defineTask('moved', { queue: 'new' })
  const { id } = await settle(millrace.enqueue(Old))
  await settle(millrace.close())
  const later = another()
  await settle(later.work(New, () => undefined))
  await settle((await settle(later.enqueue(New))).result())
  expect(await settle(later.tasks.explain(id))).toMatchObject({
    state: 'ready',
    text: 'No living worker takes tasks of the name "moved" from the queue "old", only from "new".',
    reasons: [{ kind: 'no-worker', name: 'moved', elsewhere: ['new'] }],
  })
  expect((await settle(later.queues.get('old'))).withoutWorker).toEqual(['moved'])
  expect((await settle(later.queues.get('new'))).withoutWorker).toEqual([])
})
