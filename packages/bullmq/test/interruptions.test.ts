import type { Engine } from '@millrace/core/driver'
import { memory } from '@millrace/core/memory'
import { waitFor } from '@millrace/core/testing'
import { available, type EngineServer, startRedis } from 'engines'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { giveBackBullmq, importBullmq, type RedisClient } from '../src/index.ts'
import { delivering } from './delivering.ts'
import { closeReady, LIBRARIES, newName, openQueue, openRedis, openWorker, type Library } from './queues.ts'
import { inputsOf, takeAll, tasksOf } from './tasks-of.ts'

const ORDER = ['lifo', 'first', 'second', 'third', 'high', 'low', 'soon', 'late']

describe.runIf(await available('redis-server')).each(LIBRARIES)('%s', (_, library) => {
  let server: EngineServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  test('cut off before or after any step, the next run loses nothing and adds nothing twice', async () => {
    const steps = await countSteps(library, server.url)
    expect(steps).toBeGreaterThan(10)
    for (let at = 1; at <= steps; at += 1) {
      for (const when of ['before', 'after'] as const) {
        const { name, engine } = await filled(library, server.url)
        const cut = cutting(server.url, engine, at, when)
        await expect(importBullmq({ queue: name, batch: 2, ...cut })).rejects.toThrow('cut off')
        const first = await takeAll(engine)
        await importBullmq({ redis: server.url, queue: name, batch: 2, engine })
        expect([...first, ...(await takeAll(engine))], `cut off ${when} step ${at}`).toEqual(ORDER)
        expect(await left(server.url, name)).toEqual([])
      }
    }
  })

  test('cut off before or after any step, what is held can be given back', async () => {
    const steps = await countSteps(library, server.url)
    for (let at = 1; at <= steps; at += 1) {
      const { name, engine } = await filled(library, server.url)
      const cut = cutting(server.url, engine, at, at % 2 === 0 ? 'before' : 'after')
      await expect(importBullmq({ queue: name, batch: 2, ...cut })).rejects.toThrow('cut off')
      await giveBackBullmq({ redis: server.url, queue: name, engine })
      const moved = inputsOf(await tasksOf(engine))
      expect([...moved, ...(await runAll(library, server.url, name))], `cut off at step ${at}`).toEqual(ORDER)
    }
  })

  test('a bridge that was paused while another brought its jobs home adds nothing', async () => {
    const { name, engine } = await filled(library, server.url)
    const slow = pausing(engine)
    const paused = importBullmq({ redis: server.url, queue: name, engine: slow.engine })
    await slow.reached
    await importBullmq({ redis: server.url, queue: name, engine })
    expect(await takeAll(engine)).toEqual(ORDER)
    slow.goOn()
    await paused
    expect(await tasksOf(engine)).toEqual([])
    expect(await left(server.url, name)).toEqual([])
  })

  test('a bridge that was paused while its jobs were given back leaves them there', async () => {
    const { name, engine } = await filled(library, server.url)
    const slow = pausing(engine)
    const stop = new AbortController()
    const paused = importBullmq({ redis: server.url, queue: name, engine: slow.engine, signal: stop.signal })
    await slow.reached
    expect(await giveBackBullmq({ redis: server.url, queue: name, engine })).toEqual({
      jobs: 4,
      moved: 0,
      schedulers: 0,
    })
    stop.abort()
    slow.goOn()
    await expect(paused).rejects.toMatchObject({ code: 'aborted' })
    expect(await tasksOf(engine)).toEqual([])
    expect(await runAll(library, server.url, name)).toEqual(ORDER)
  })

  test('what is given back to a queue that was paused meanwhile is there when it goes on', async () => {
    const { name, engine } = await filled(library, server.url)
    const slow = pausing(engine)
    const stop = new AbortController()
    const paused = importBullmq({ redis: server.url, queue: name, engine: slow.engine, signal: stop.signal })
    await slow.reached
    const queue = openQueue(library, server.url, name)
    await queue.add('job', 'newest')
    await queue.pause()
    await giveBackBullmq({ redis: server.url, queue: name, engine })
    stop.abort()
    slow.goOn()
    await expect(paused).rejects.toMatchObject({ code: 'aborted' })
    await queue.resume()
    expect(await runAll(library, server.url, name)).toEqual(ORDER.toSpliced(4, 0, 'newest'))
  })

  test('a server that has forgotten that jobs were taken offers them again: they are added once', async () => {
    const { name, engine } = await filled(library, server.url)
    const redis = openRedis(server.url)
    const keys = await redis.keys(`bull:${name}:*`)
    const before = await Promise.all(keys.map(async (key) => [key, await redis.dumpBuffer(key)] as const))
    await importBullmq({ redis: server.url, queue: name, engine })
    for (const [key, value] of before) await redis.restore(key, 0, value, 'REPLACE')
    await importBullmq({ redis: server.url, queue: name, engine })
    expect(inputsOf(await tasksOf(engine))).toEqual(ORDER)
    expect(await left(server.url, name)).toEqual([])
  })

  test('a job that was removed and added anew while it was held is another job', async () => {
    const { name, engine } = await filled(library, server.url)
    const slow = pausing(engine)
    const paused = importBullmq({ redis: server.url, queue: name, engine: slow.engine })
    await slow.reached
    const queue = openQueue(library, server.url, name)
    await (await queue.getJob('own-id'))?.remove()
    await queue.add('job', 'anew', { jobId: 'own-id' })
    slow.goOn()
    await paused
    await importBullmq({ redis: server.url, queue: name, engine })
    expect(new Set(inputsOf(await tasksOf(engine)))).toEqual(new Set([...ORDER, 'anew']))
    expect(await tasksOf(engine)).toHaveLength(ORDER.length + 1)
    expect(await left(server.url, name)).toEqual([])
  })
})

/** An engine that waits before its first delivery. */
function pausing(engine: Engine): {
  readonly engine: Engine
  readonly reached: Promise<void>
  readonly goOn: () => void
} {
  const reached = Promise.withResolvers<void>()
  const free = Promise.withResolvers<void>()
  return {
    reached: reached.promise,
    goOn: () => free.resolve(),
    engine: delivering(engine, async (fire) => {
      reached.resolve()
      await free.promise
      return fire()
    }),
  }
}

async function filled(library: Library, url: string): Promise<{ readonly name: string; readonly engine: Engine }> {
  const name = newName()
  const queue = openQueue(library, url, name)
  await queue.add('job', 'first')
  await queue.add('job', 'second', { jobId: 'own-id' })
  await queue.add('job', 'third')
  await queue.add('job', 'low', { priority: 7 })
  await queue.add('job', 'high', { priority: 2 })
  await queue.add('job', 'late', { delay: 3_600_000 })
  await queue.add('job', 'soon', { delay: 3_000_000 })
  await queue.add('job', 'lifo', { lifo: true })
  return { name, engine: memory() }
}

/** A client and an engine that do a number of steps (scripts and deliveries) and then fail, before or after the step has happened. */
function cutting(
  url: string,
  engine: Engine,
  at: number,
  when: 'before' | 'after',
): { readonly redis: RedisClient; readonly engine: Engine; readonly steps: () => number } {
  const redis = openRedis(url)
  let steps = 0
  async function step<Value>(run: () => Promise<Value>): Promise<Value> {
    steps += 1
    if (steps > at || (steps === at && when === 'before')) throw new Error('cut off')
    const value = await run()
    if (steps === at) throw new Error('cut off')
    return value
  }
  return {
    steps: () => steps,
    redis: {
      call: (command, ...args) =>
        command.startsWith('EVAL') ? step(() => redis.call(command, ...args)) : redis.call(command, ...args),
    },
    engine: delivering(engine, step),
  }
}

/** How many steps an import takes when the server knows the scripts. */
async function countSteps(library: Library, url: string): Promise<number> {
  const warm = await filled(library, url)
  await importBullmq({ redis: url, queue: warm.name, engine: warm.engine, batch: 2 })
  const { name, engine } = await filled(library, url)
  const counted = cutting(url, engine, Number.POSITIVE_INFINITY, 'before')
  await importBullmq({ queue: name, batch: 2, ...counted })
  return counted.steps()
}

/** Keys of jobs, and of the bridge, that are left. */
async function left(url: string, name: string): Promise<readonly string[]> {
  const kept = new Set(['meta', 'events', 'id', 'marker', 'pc'].map((key) => `bull:${name}:${key}`))
  return (await openRedis(url).keys(`bull:${name}:*`)).filter((key) => !kept.has(key))
}

/** Lets a worker of BullMQ run what waits; gives the data in the order of running, then that of what is delayed. */
async function runAll(library: Library, url: string, name: string): Promise<readonly unknown[]> {
  const queue = openQueue(library, url, name)
  const seen: unknown[] = []
  const worker = openWorker(library, { url, name }, async (job) => void seen.push(job.data))
  const isDone = async (): Promise<boolean> =>
    Object.values(await queue.getJobCounts('wait', 'prioritized', 'active')).every((count) => count === 0)
  await waitFor(isDone, { timeoutMs: 120_000, what: 'the worker to run what waits' })
  await closeReady(worker)
  return [...seen, ...(await queue.getDelayed()).map(({ data }) => data as unknown)]
}
