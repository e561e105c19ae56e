import { expect, it } from 'vitest'
import { z } from 'zod'
import { channels, defineQueue, defineTask, done, isMillraceError } from '../../src/index.ts'
import { openShop } from './shop.ts'

const Add = defineTask('add', {
  input: z.object({ a: z.number(), b: z.number().default(1) }),
  output: z.object({ sum: z.number() }),
  backoff: { type: 'fixed', delay: 100 },
})

it('runs a task and gives its output', async () => {
  const { millrace, settle } = openShop()
  await settle(millrace.work(Add, ({ a, b }) => ({ sum: a + b })))
  const handle = await settle(millrace.enqueue(Add, { a: 2 }))
  expect(await settle(handle.result())).toEqual({ sum: 3 })
  expect(await settle(millrace.tasks.get(handle.id))).toMatchObject({
    state: 'done',
    name: 'add',
    queue: 'add',
    input: { a: 2, b: 1 },
    output: { sum: 3 },
    priority: 'normal',
  })
})

it('refuses an input that does not fit, with its path', async () => {
  const { millrace, settle } = openShop()
  const refused = settle(millrace.enqueue(Add, { a: 'x' } as never))
  await expect(refused).rejects.toMatchObject({ code: 'task_input_invalid', path: 'input.a' })
})

it('makes a task dead whose output does not fit, with the path and without a retry', async () => {
  const { millrace, settle } = openShop()
  let runs = 0
  await settle(millrace.work(Add, () => (runs++, { sum: 'many' }) as never))
  const handle = await settle(millrace.enqueue(Add, { a: 2 }))
  await expect(settle(handle.result())).rejects.toMatchObject({
    code: 'task_output_invalid',
    message: expect.stringContaining('output.sum'),
  })
  expect(runs).toBe(1)
})

it('tries again after a failure, and keeps the last one when the attempts are used up', async () => {
  const { millrace, settle, runtime } = openShop()
  const attempts: number[] = []
  const times: number[] = []
  await settle(
    millrace.work(Add, (_input, task) => {
      attempts.push(task.attempt)
      times.push(runtime.monotonic())
      throw new Error('no')
    }),
  )
  const handle = await settle(millrace.enqueue(Add, { a: 2 }, { attempts: 3 }))
  await expect(settle(handle.result())).rejects.toMatchObject({ code: 'task_failed' })
  expect(attempts).toEqual([1, 2, 3])
  expect(times.map((time, at) => time - (times[at - 1] ?? time)).every((gap) => gap === 0 || gap >= 100)).toBe(true)
  expect(await settle(millrace.tasks.get(handle.id))).toMatchObject({ state: 'dead', attempts: 3 })
})

it('obeys retry, reject and retryIf', async () => {
  const { millrace, settle } = openShop()
  const seen: string[] = []
  const Picky = defineTask('picky', { input: z.string(), retryIf: (error) => (error as Error).message !== 'hopeless' })
  await settle(
    millrace.work(Picky, (what, task) => {
      seen.push(`${what}${task.attempt}`)
      if (what === 'later' && task.attempt === 1) return task.retry({ after: 5_000 })
      if (what === 'never') return task.reject('because')
      if (what === 'hopeless') throw new Error('hopeless')
      return 'fine'
    }),
  )
  const later = await settle(millrace.enqueue(Picky, 'later'))
  const never = await settle(millrace.enqueue(Picky, 'never'))
  const hopeless = await settle(millrace.enqueue(Picky, 'hopeless'))
  expect(await settle(later.result())).toBe('fine')
  await expect(settle(never.result())).rejects.toMatchObject({ code: 'task_rejected' })
  await expect(settle(hopeless.result())).rejects.toMatchObject({ code: 'task_failed' })
  expect(seen).toEqual(['later1', 'never1', 'hopeless1', 'later2'])
})

it('ends an attempt whose time is up, frees its slot and fires its signal', async () => {
  const { millrace, settle } = openShop()
  const Slow = defineTask('slow', { input: z.string(), timeout: 1_000, attempts: 1 })
  let aborted: unknown
  const worker = await settle(
    millrace.work(
      Slow,
      async (what, task) => {
        if (what === 'quick') return 'quick'
        task.signal.addEventListener('abort', () => (aborted = task.signal.reason))
        return new Promise(() => {})
      },
      { concurrency: 1 },
    ),
  )
  const stuck = await settle(millrace.enqueue(Slow, 'stuck'))
  const quick = await settle(millrace.enqueue(Slow, 'quick'))
  await expect(settle(stuck.result())).rejects.toMatchObject({ code: 'task_timeout' })
  expect(await settle(quick.result())).toBe('quick')
  expect(isMillraceError(aborted, 'task_timeout')).toBe(true)
  expect(worker.status).toMatchObject({ abandoned: 1, running: 0, done: 1, failed: 1 })
})

it('cancels what waits and what runs, from another process', async () => {
  const shop = openShop()
  const { millrace, settle } = shop
  const other = shop.another()
  const Long = defineTask('long', { input: z.string() })
  await settle(
    millrace.work(
      Long,
      (_input, task) =>
        new Promise((_resolve, reject) => task.signal.addEventListener('abort', () => reject(new Error('stopped')))),
      { concurrency: 1 },
    ),
  )
  const running = await settle(millrace.enqueue(Long, 'a'))
  await shop.runtime.advance(100)
  const waiting = await settle(millrace.enqueue(Long, 'b', { delay: 60_000 }))
  expect((await settle(other.tasks.cancel([running.id, waiting.id]))).ids).toHaveLength(2)
  await expect(settle(running.result())).rejects.toMatchObject({ code: 'task_cancelled' })
  await expect(settle(waiting.result())).rejects.toMatchObject({ code: 'task_cancelled' })
})

it('does not start what has expired', async () => {
  const { millrace, settle, runtime } = openShop()
  const handle = await settle(millrace.enqueue(Add, { a: 1 }, { expiresAfter: 1_000 }))
  await runtime.advance(2_000)
  let runs = 0
  await settle(millrace.work(Add, () => (runs++, { sum: 1 })))
  await expect(settle(handle.result())).rejects.toMatchObject({ code: 'task_expired' })
  expect(runs).toBe(0)
})

it('runs higher priorities first and the same one in the order of adding', async () => {
  const { millrace, settle, runtime } = openShop()
  const order: string[] = []
  const Named = defineTask('named', { input: z.string() })
  const add = (name: string, priority: 'critical' | 'low' | 'normal' | number): Promise<unknown> =>
    settle(millrace.enqueue(Named, name, { priority }))
  await add('low', 'low')
  await add('normal-1', 'normal')
  await add('normal-2', 0)
  await add('critical', 'critical')
  await add('seven', 7)
  await settle(millrace.work(Named, (name) => void order.push(name), { concurrency: 1 }))
  await runtime.advance(1_000)
  expect(order).toEqual(['critical', 'seven', 'normal-1', 'normal-2', 'low'])
})

it('runs tasks of one key in order and one at a time, across their retries', async () => {
  const { millrace, settle, runtime } = openShop()
  const Keyed = defineTask('keyed', {
    input: z.object({ key: z.string(), n: z.number() }),
    key: (input) => input.key,
    perKey: { order: true },
    backoff: { type: 'fixed', delay: 10 },
  })
  const seen: Record<string, string[]> = {}
  await settle(
    millrace.work(Keyed, async ({ key, n }, task) => {
      ;(seen[key] ??= []).push(`${n}.${task.attempt}`)
      if (n === 1 && task.attempt === 1) throw new Error('again')
    }),
  )
  await settle(
    millrace.enqueueMany(
      Keyed,
      [1, 2, 3].flatMap((n) => ['a', 'b'].map((key) => ({ key, n }))),
    ),
  )
  await runtime.advance(5_000)
  expect(seen).toEqual({ a: ['1.1', '1.2', '2.1', '3.1'], b: ['1.1', '1.2', '2.1', '3.1'] })
})

it('keeps to the concurrency of a queue over two processes', async () => {
  const shop = openShop()
  const Reports = defineQueue('reports', { concurrency: 3 })
  const Report = defineTask('report', { queue: Reports })
  let running = 0
  let most = 0
  const handler = (): Promise<void> =>
    new Promise((resolve) => {
      most = Math.max(most, ++running)
      shop.runtime.setTimer(() => {
        running -= 1
        resolve()
      }, 50)
    })
  await shop.settle(shop.millrace.work(Report, handler))
  await shop.settle(shop.another().work(Report, handler))
  const handles = await shop.settle(
    shop.millrace.enqueueMany(
      Report,
      Array.from({ length: 20 }, () => undefined),
    ),
  )
  await shop.settle(Promise.all(handles.map((handle) => handle.result())))
  expect(most).toBe(3)
})

it('gives a batch to its handler and settles each task by its own result', async () => {
  const { millrace, settle, runtime } = openShop()
  const Many = defineTask('many', { input: z.number(), attempts: 2, backoff: { type: 'fixed', delay: 10 } })
  const sizes: number[] = []
  await settle(
    millrace.work(
      Many,
      (tasks) => {
        sizes.push(tasks.length)
        return tasks.map(async ({ input, reject, attempt }) => {
          if (input === 1) return reject('odd one')
          if (input === 2 && attempt === 1) throw new Error('once')
          return done(input * 10)
        })
      },
      { batch: { size: 5, waitMs: 20 } },
    ),
  )
  const handles = await settle(millrace.enqueueMany(Many, [0, 1, 2, 3, 4, 5, 6]))
  const results = await settle(Promise.allSettled(handles.map((handle) => handle.result())))
  expect(results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason.code))).toEqual([
    0,
    'task_rejected',
    20,
    30,
    40,
    50,
    60,
  ])
  expect(sizes[0]).toBe(5)
  await runtime.advance(100)
})

it('gives back on stop what has not begun, and ends what does not stop in time', async () => {
  const shop = openShop()
  const { millrace, settle, runtime } = shop
  const Stuck = defineTask('stuck', { input: z.number() })
  const worker = await settle(millrace.work(Stuck, () => new Promise(() => {}), { concurrency: 2 }))
  const handles = await settle(millrace.enqueueMany(Stuck, [1, 2, 3, 4]))
  await runtime.advance(100)
  await settle(worker.stop({ timeoutMs: 500 }))
  expect(worker.status.state).toBe('stopped')
  const states = await settle(Promise.all(handles.map(({ id }) => millrace.tasks.get(id))))
  expect(states.map(({ state, attempts, crashes }) => [state, attempts, crashes])).toEqual(
    Array.from({ length: 4 }, () => ['ready', 0, 0]),
  )
  await settle(shop.another().work(Stuck, (n) => n))
  expect(await settle(Promise.all(handles.map((handle) => handle.result())))).toEqual([1, 2, 3, 4])
})

it('pauses, resumes and changes its concurrency', async () => {
  const { millrace, settle, runtime } = openShop()
  const Paused = defineTask('paused', { input: z.number() })
  const ends: (() => void)[] = []
  const worker = await settle(
    millrace.work(Paused, () => new Promise<void>((resolve) => ends.push(resolve)), { concurrency: 1 }),
  )
  worker.pause()
  await settle(millrace.enqueueMany(Paused, [1, 2, 3]))
  await runtime.advance(1_000)
  expect(ends).toHaveLength(0)
  worker.resume()
  await runtime.advance(1_000)
  expect(ends).toHaveLength(1)
  worker.setConcurrency(3)
  await runtime.advance(1_000)
  expect(ends).toHaveLength(3)
  for (const end of ends) end()
  await runtime.advance(100)
  expect(worker.status).toMatchObject({ done: 3, concurrency: 3, running: 0 })
})

it('reads stored inputs through the schema of today, and never twice through one that would change them again', async () => {
  const shop = openShop()
  const { settle } = shop
  const Old = defineTask('grown', { input: z.object({ a: z.number() }) })
  const New = defineTask('grown', { input: z.object({ a: z.number().positive(), b: z.string().default('new') }) })
  const Raised = defineTask('raised', { input: z.number().transform((n) => n + 1) })
  const fine = await settle(shop.millrace.enqueue(Old, { a: 1 }))
  const wrong = await settle(shop.millrace.enqueue(Old, { a: -1 }))
  const raised = await settle(shop.millrace.enqueue(Raised, 1))
  const later = shop.another()
  await settle(later.work(New, (input) => input))
  await settle(later.work(Raised, (input) => input))
  expect(await settle(fine.result())).toEqual({ a: 1, b: 'new' })
  await expect(settle(wrong.result())).rejects.toMatchObject({ code: 'task_input_invalid' })
  expect(await settle(raised.result())).toBe(2)
})

it('gives back what it has claimed ahead when the work turns slow', async () => {
  const shop = openShop()
  const { settle, runtime } = shop
  const Mixed = defineTask('mixed', { input: z.string() })
  const slow: string[] = []
  const handler =
    (who: string) =>
    (input: string): Promise<void> | undefined => {
      if (input === 'quick') return undefined
      slow.push(who)
      return new Promise((resolve) => void runtime.setTimer(resolve, 60_000))
    }
  await settle(
    shop.millrace.enqueueMany(
      Mixed,
      Array.from({ length: 300 }, () => 'quick'),
    ),
  )
  await settle(
    shop.millrace.enqueueMany(
      Mixed,
      Array.from({ length: 40 }, () => 'slow'),
    ),
  )
  await settle(shop.millrace.work(Mixed, handler('one'), { concurrency: 10 }))
  await runtime.advance(1_000)
  await settle(shop.another().work(Mixed, handler('two'), { concurrency: 10 }))
  await runtime.advance(10_000)
  expect(slow.filter((who) => who === 'one')).toHaveLength(10)
  expect(slow.filter((who) => who === 'two')).toHaveLength(10)
})

it('tells of attempts and of how busy it is', async () => {
  const { millrace, settle, runtime } = openShop()
  const told: unknown[] = []
  const listen = (message: unknown): void => void told.push(message)
  channels.task.subscribe(listen)
  channels.worker.subscribe(listen)
  try {
    await settle(
      millrace.work(
        Add,
        ({ a, b }) => new Promise((resolve) => void runtime.setTimer(() => resolve({ sum: a + b }), 3_000)),
        {
          concurrency: 1,
        },
      ),
    )
    const handle = await settle(millrace.enqueue(Add, { a: 1 }))
    await settle(handle.result())
    expect(told).toContainEqual(
      expect.objectContaining({ task: 'add', queue: 'add', outcome: 'done', attempt: 1, durationMs: 3_000 }),
    )
    const busy = told.filter(
      (each): each is { utilisation: number } => typeof each === 'object' && each !== null && 'utilisation' in each,
    )
    expect(Math.max(...busy.map(({ utilisation }) => utilisation))).toBeGreaterThan(0.5)
  } finally {
    channels.task.unsubscribe(listen)
    channels.worker.unsubscribe(listen)
  }
})
