import { expect, it } from 'vitest'
import { z } from 'zod'
import { MillraceError } from '../../src/index.ts'
import { defineTask } from '../../src/index.ts'
import type { TaskStore } from '../../src/driver.ts'
import { memory } from '../../src/memory.ts'
import type { Engine } from '../../src/driver.ts'
import { taskStoresOf } from '../../src/testing.ts'
import { changed } from '../changed-engine.ts'
import { openShop } from './shop.ts'

const Echo = defineTask('echo', { input: z.string() })

/** The memory engine with some calls of its task store replaced. */
function changedTasks(change: (tasks: TaskStore) => Partial<TaskStore>): Engine {
  return changed(memory(), (driver) => ({ tasks: change(taskStoresOf(driver).tasks) }))
}

it('sends many that are large in smaller steps, in their order', async () => {
  const sizes: number[] = []
  const engine = changedTasks((tasks) => ({
    enqueue(batch) {
      sizes.push(batch.length)
      return tasks.enqueue(batch)
    },
  }))
  const { millrace, settle } = openShop({ engine })
  const Large = defineTask('large', { input: z.string() })
  const handles = await settle(
    millrace.enqueueMany(
      Large,
      Array.from({ length: 30 }, (_, at) => `${at} ${'x'.repeat(200_000)}`),
    ),
  )
  expect(Math.max(...sizes)).toBeLessThan(8)
  const stored = await settle(millrace.tasks.list({ limit: 100 }))
  expect(stored.map(({ id }) => id)).toEqual(handles.map(({ id }) => id))
})

it('sends what is enqueued in one moment together, at most 500 at once', async () => {
  const sizes: number[] = []
  const engine = changedTasks((tasks) => ({
    enqueue(batch) {
      sizes.push(batch.length)
      return tasks.enqueue(batch)
    },
  }))
  const { millrace, settle } = openShop({ engine })
  await settle(millrace.enqueue(Echo, 'first'))
  await settle(Promise.all(Array.from({ length: 1_200 }, (_, n) => millrace.enqueue(Echo, String(n)))))
  expect(sizes).toEqual([1, 500, 500, 200])
})

it('sends again under the same id what may or may not be stored, and adds it once', async () => {
  let calls = 0
  const engine = changedTasks((tasks) => ({
    async enqueue(batch) {
      const outcomes = await tasks.enqueue(batch)
      if (++calls <= 2) throw new MillraceError('publish_unknown', 'The answer was lost.', { retriable: true })
      return outcomes
    },
  }))
  const { millrace, settle } = openShop({ engine })
  const handle = await settle(millrace.enqueue(Echo, 'a'))
  expect(calls).toBe(3)
  expect((await settle(millrace.tasks.list())).map(({ id }) => id)).toEqual([handle.id])
})

it('says unknown, never refused, when the time for that is up', async () => {
  const engine = changedTasks(() => ({ enqueue: () => Promise.reject(new Error('connection reset')) }))
  const { millrace, settle } = openShop({ engine, publishTimeoutMs: 500 })
  await expect(settle(millrace.enqueue(Echo, 'a'))).rejects.toMatchObject({ code: 'publish_unknown', retriable: true })
})

it('says unknown when the time is up while they are being added', async () => {
  let go: () => void = () => {}
  const hanging = new Promise<void>((resolve) => (go = resolve))
  const engine = changedTasks((tasks) => ({
    async enqueue(batch) {
      const outcomes = await tasks.enqueue(batch)
      await hanging
      return outcomes
    },
  }))
  const { millrace, runtime, settle, another } = openShop({ engine, publishTimeoutMs: 10_000 })
  const codes: string[] = []
  const add = (id: string): void => {
    millrace.enqueue(Echo, id, { id }).catch(({ code }: MillraceError) => codes.push(`${id} ${code}`))
  }
  await settle(millrace.start())
  for (const id of ['a', 'b', 'c']) {
    add(id)
    await runtime.advance(10)
  }
  await runtime.advance(9_969)
  expect(codes).toEqual([])
  await runtime.advance(100)
  expect(codes).toEqual(['a publish_unknown', 'b publish_unknown', 'c engine_unreachable'])
  go()
  const known = await settle(another().tasks.list())
  expect(known.map(({ id }) => id).toSorted()).toEqual(['a', 'b'])
  expect(await settle(millrace.enqueue(Echo, 'a', { id: 'a' }))).toMatchObject({ id: 'a' })
})

it('does not wait for ever for its engine to open', async () => {
  const engine = memory()
  const opensNever: typeof engine = {
    ...engine,
    open: (clock) => {
      const driver = engine.open(clock)
      const connect = (): Promise<void> => new Promise(() => {})
      return { ...driver, transport: Object.assign(Object.create(driver.transport), { connect }) }
    },
  }
  const { millrace, settle } = openShop({ engine: opensNever, publishTimeoutMs: 10_000 })
  await expect(settle(millrace.enqueue(Echo, 'a'))).rejects.toMatchObject({ code: 'engine_unreachable' })
})

it('says what is wrong with one without hurting those that it came with', async () => {
  const engine = changedTasks((tasks) => ({
    async enqueue(batch) {
      if (batch.some(({ body }) => body.includes('poison'))) throw new MillraceError('limit_exceeded', 'too large')
      return tasks.enqueue(batch)
    },
  }))
  const { millrace, settle } = openShop({ engine })
  const results = await settle(Promise.allSettled(['a', 'poison', 'b'].map((text) => millrace.enqueue(Echo, text))))
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
})

it('refuses what would wait behind too many others', async () => {
  const engine = changedTasks(() => ({ enqueue: () => new Promise(() => {}) }))
  const { millrace, settle } = openShop({ engine, maxPending: 3 })
  await settle(millrace.start())
  for (const text of ['a', 'b', 'c']) void millrace.enqueue(Echo, text).catch(() => {})
  await settle(Promise.resolve())
  await expect(settle(millrace.enqueue(Echo, 'd'))).rejects.toMatchObject({ code: 'publish_backpressure' })
})

it('answers with the holder of a dedupe key', async () => {
  const { millrace, settle } = openShop()
  const first = await settle(millrace.enqueue(Echo, 'a', { dedupe: 'only' }))
  const second = await settle(millrace.enqueue(Echo, 'b', { dedupe: 'only' }))
  const replaced = await settle(millrace.enqueue(Echo, 'c', { dedupe: { key: 'only', mode: 'replace' } }))
  expect(second).toMatchObject({ id: first.id, deduplicated: true })
  expect(replaced).toMatchObject({ id: first.id, deduplicated: true })
  expect((await settle(millrace.tasks.get(first.id))).input).toBe('c')
})

it('adds the same id once', async () => {
  const { millrace, settle } = openShop()
  await settle(millrace.enqueue(Echo, 'a', { id: 'mine' }))
  await settle(millrace.enqueue(Echo, 'a', { id: 'mine' }))
  expect((await settle(millrace.tasks.list())).map(({ input }) => input)).toEqual(['a'])
})

it.each([
  ['delay', { delay: -1 }],
  ['delay', { delay: Number.NaN }],
  ['runAt', { runAt: new Date(Number.NaN) }],
  ['runAt', { runAt: new Date(), delay: 5 }],
  ['expiresAfter', { expiresAfter: Number.POSITIVE_INFINITY }],
  ['priority', { priority: 5_000 }],
  ['priority', { priority: 'urgent' as never }],
  ['key', { key: '' }],
  ['tenant', { tenant: 'a\u0000b' }],
  ['id', { id: 5 as never }],
  ['attempts', { attempts: 0 }],
  ['backoff', { backoff: (() => 5) as never }],
  ['dedupe.mode', { dedupe: { key: 'a', mode: 'overwrite' as never } }],
])('refuses an option that cannot be meant: %s', async (path, options) => {
  const { millrace, settle } = openShop()
  await expect(settle(millrace.enqueue(Echo, 'a', options))).rejects.toMatchObject({
    code: 'task_options_invalid',
    path,
  })
})

it('keeps to the limits of events', async () => {
  const { millrace, settle } = openShop()
  const Any = defineTask('any', { input: z.any() })
  await expect(settle(millrace.enqueue(Any, 'x'.repeat(300_000)))).rejects.toMatchObject({ code: 'limit_exceeded' })
  await expect(settle(millrace.enqueue(Any, { at: new Map() }))).rejects.toMatchObject({
    code: 'event_not_json',
    path: 'input.at',
  })
  await expect(settle(millrace.enqueue(Any, 1, { key: 'k'.repeat(300) }))).rejects.toMatchObject({
    code: 'limit_exceeded',
    path: 'key',
  })
})

it('stores what code declares of a queue; what an operator sets wins until it is taken back', async () => {
  const shop = openShop()
  const declared = (concurrency: number): ReturnType<typeof defineTask<'limited'>> =>
    defineTask('limited', { concurrency })
  await shop.settle(shop.millrace.enqueue(declared(4)))
  const { queues } = shop.millrace
  expect(await shop.settle(queues.get('limited'))).toMatchObject({ settings: { concurrency: 4 }, overridden: {} })
  await shop.settle(queues.change('limited', { concurrency: 2 }))
  await shop.settle(shop.another().enqueue(declared(8)))
  expect(await shop.settle(queues.get('limited'))).toMatchObject({
    settings: { concurrency: 2 },
    declared: { concurrency: 8 },
    overridden: { concurrency: 2 },
  })
  expect(await shop.settle(queues.restore('limited'))).toMatchObject({ settings: { concurrency: 8 } })
  await expect(shop.settle(queues.remove('limited'))).rejects.toMatchObject({ code: 'queue_not_empty' })
  await expect(shop.settle(queues.get('nothing'))).rejects.toMatchObject({ code: 'queue_unknown' })
})
