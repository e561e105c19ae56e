import { createMillrace, defineTask } from '@millrace/core'
import { memory } from '@millrace/core/memory'
import { waitFor } from '@millrace/core/testing'
import type { Queue } from 'bullmq'
import { available, type EngineServer, startRedis } from 'engines'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { importBullmq, reportText } from '../src/index.ts'
import { atEnd, connectionOf, LIBRARIES, newName, openQueue, openRedis, openWorker } from './queues.ts'
import { inputsOf, tasksOf } from './tasks-of.ts'

describe.runIf(await available('redis-server')).each(LIBRARIES)('%s', (_, library) => {
  let server: EngineServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  function made(): { readonly name: string; readonly queue: Queue } {
    const name = newName()
    return { name, queue: openQueue(library, server.url, name) }
  }

  test('moves what waits, in the order in which it would run, with what its options say', async () => {
    const { name, queue } = made()
    await queue.add('sendEmail', 1)
    await queue.add('sendEmail', 2, { jobId: 'invoice-7' })
    await queue.add('report.build', { of: 3 }, { priority: 10 })
    await queue.add('report.build', { of: 4 }, { priority: 1 })
    await queue.add('sendEmail', 0, { lifo: true })
    const backoff = { type: 'exponential', delay: 50 }
    await queue.add('report.build', { of: 5 }, { delay: 3_600_000, attempts: 3, backoff })

    const engine = memory()
    const before = await openRedis(server.url).keys(`bull:${name}:*`)
    const dry = await importBullmq({ redis: server.url, queue: name, engine, dryRun: true })
    expect(dry.moved).toEqual({ wait: 3, paused: 0, prioritized: 2, delayed: 1 })
    expect((await openRedis(server.url).keys(`bull:${name}:*`)).toSorted()).toEqual(before.toSorted())
    expect(await tasksOf(engine)).toEqual([])

    const report = await importBullmq({ redis: server.url, queue: name, engine })
    expect(report.moved).toEqual(dry.moved)
    expect(report.names).toEqual(dry.names)
    expect(report.refused).toEqual([])
    expect(Object.values(report.after.counts).every((count) => count === 0)).toBe(true)
    const tasks = await tasksOf(engine)
    expect(inputsOf(tasks)).toEqual([0, 1, 2, { of: 4 }, { of: 3 }, { of: 5 }])
    expect(tasks.map((task) => task.name)).toEqual([
      ...['send-email', 'send-email', 'send-email'],
      ...['report.build', 'report.build', 'report.build'],
    ])
    expect(tasks.map((task) => task.headStartMs)).toEqual([0, 0, 0, -480_000, -1_650_000, 0])
    expect(new Set(tasks.map((task) => task.queue))).toEqual(new Set([name]))
    const delayed = tasks.at(-1)
    expect(delayed?.state).toBe('delayed')
    expect((delayed?.dueAt ?? 0) - (delayed?.addedAt ?? 0)).toBeGreaterThan(3_500_000)
    expect(JSON.parse(delayed?.body ?? '')).toMatchObject({
      attempts: 3,
      backoff: { type: 'exponential', delay: 50, jitter: false },
    })
  })

  test('what was moved is run by a worker here, as its definition says', async () => {
    const { name, queue } = made()
    for (const n of [1, 2, 3]) await queue.add('count', { n })
    const Count = defineTask('count', { input: z.object({ n: z.number() }), queue: name })
    const engine = memory()
    const worker = createMillrace({ engine })
    const seen: number[] = []
    await worker.work(Count, ({ n }) => void seen.push(n), { concurrency: 1 })
    await importBullmq({ redis: server.url, queue: name, engine })
    await waitFor(() => seen.length === 3)
    expect(seen).toEqual([1, 2, 3])
  })

  test('gives ids that are the same each time, or those of the jobs', async () => {
    const { name, queue } = made()
    await queue.add('count', 1, { jobId: 'invoice-7' })
    const engine = memory()
    const dry = await importBullmq({ redis: server.url, queue: name, engine, dryRun: true })
    await importBullmq({ redis: server.url, queue: name, engine })
    const [task] = await tasksOf(engine)
    expect(task?.id).toBe(dry.samples[0]?.id)
    expect(task?.id).toMatch(new RegExp(`^bullmq:${name}:invoice-7:[0-9a-f]{12}$`))

    await queue.add('count', 2, { jobId: 'invoice-7' })
    await importBullmq({ redis: server.url, queue: name, engine })
    expect(inputsOf(await tasksOf(engine))).toEqual([1, 2])

    await queue.add('count', 3, { jobId: 'invoice-8' })
    await importBullmq({ redis: server.url, queue: name, engine, keepIds: true })
    expect((await tasksOf(engine)).at(-1)?.id).toBe('invoice-8')

    await queue.add('count', 4, { jobId: 'invoice-8' })
    const { refused, after } = await importBullmq({ redis: server.url, queue: name, engine, keepIds: true })
    expect(refused).toMatchObject([{ reason: 'taken', count: 1, ids: ['invoice-8'] }])
    expect(after.counts.wait).toBe(1)
    expect(inputsOf(await tasksOf(engine))).toEqual([1, 2, 3])
  })

  test('leaves what runs to its worker, and a failed attempt counts', async () => {
    const { name, queue } = made()
    const started = Promise.withResolvers<void>()
    const finish = Promise.withResolvers<void>()
    openWorker(library, { url: server.url, name, concurrency: 1 }, async (job) => {
      if (job.data === 'fails') throw new Error('once')
      started.resolve()
      await finish.promise
    })
    const options = { attempts: 4, backoff: { type: 'exponential', delay: 60_000 } }
    await queue.add('count', 'fails', options)
    await waitFor(async () => (await queue.getDelayedCount()) === 1)
    await queue.add('count', 'runs')
    await started.promise
    await queue.add('count', 'waits')

    const engine = memory()
    const report = await importBullmq({ redis: server.url, queue: name, engine })
    expect(report.before.counts).toMatchObject({ active: 1, wait: 1, delayed: 1 })
    expect(report.after.counts).toMatchObject({ active: 1, wait: 0, delayed: 0 })
    finish.resolve()
    await waitFor(async () => (await queue.getCompletedCount()) === 1)
    const tasks = await tasksOf(engine)
    expect(inputsOf(tasks)).toEqual(['waits', 'fails'])
    expect(JSON.parse(tasks[1]?.body ?? '')).toMatchObject({ attempts: 3, backoff: { delay: 120_000 } })
    expect(report.notes.join(' ')).toContain('1 had failed before')
  })

  test('leaves flows to BullMQ, and says so', async () => {
    const { name, queue } = made()
    const flows = new library.FlowProducer({ connection: connectionOf(server.url) })
    atEnd(() => flows.close())
    await flows.add({
      name: 'parent',
      queueName: name,
      data: {},
      children: [
        { name: 'child', queueName: name, data: 1 },
        { name: 'child', queueName: name, data: 2 },
      ],
    })
    await queue.add('alone', 3)
    const engine = memory()
    const report = await importBullmq({ redis: server.url, queue: name, engine })
    expect(inputsOf(await tasksOf(engine))).toEqual([3])
    expect(report.refused).toMatchObject([{ reason: 'child', count: 2 }])
    expect(report.after.counts).toMatchObject({ wait: 2, waitingChildren: 1 })

    const values: unknown[] = []
    openWorker(library, { url: server.url, name }, async (job) =>
      job.name === 'child' ? job.data : values.push(await job.getChildrenValues()),
    )
    await waitFor(async () => (await queue.getCompletedCount()) === 3)
    expect(values.map((each) => new Set(Object.values(each as object)))).toEqual([new Set([1, 2])])
  })

  test('a parent whose children have ended stays, since only BullMQ can give it their results', async () => {
    const { name, queue } = made()
    const children = newName()
    const flows = new library.FlowProducer({ connection: connectionOf(server.url) })
    atEnd(() => flows.close())
    await flows.add({ name: 'parent', queueName: name, children: [{ name: 'child', queueName: children, data: 1 }] })
    openWorker(library, { url: server.url, name: children }, async () => 1)
    await waitFor(async () => (await queue.getWaitingCount()) === 1)
    const report = await importBullmq({ redis: server.url, queue: name, engine: memory() })
    expect(report.refused).toMatchObject([{ reason: 'parent', count: 1 }])
    expect(report.after.counts.wait).toBe(1)
  })

  test('data that does not fit stays, with the path; the rest goes', async () => {
    const { name, queue } = made()
    const Count = defineTask('count', { input: z.object({ n: z.number() }) })
    await queue.add('count', { n: 1 })
    await queue.add('count', { n: 'two' })
    await queue.add('count', { n: 3 })
    await queue.add('注文', { n: 4 })
    await queue.add('other', 'x'.repeat(300_000))
    const engine = memory()
    const report = await importBullmq({ redis: server.url, queue: name, engine, tasks: [Count] })
    expect(inputsOf(await tasksOf(engine))).toEqual([{ n: 1 }, { n: 3 }])
    expect((await tasksOf(engine)).map(({ queue: own }) => own)).toEqual(['count', 'count'])
    expect(report.refused.map(({ reason, count, ids }) => [reason, count, ids])).toEqual([
      ['data', 2, ['2', '5']],
      ['name', 1, ['4']],
    ])
    expect(report.refused[0]?.text).toContain('input.n')
    expect(report.after.counts.wait).toBe(3)

    const named = await importBullmq({ redis: server.url, queue: name, engine, names: { 注文: 'order' } })
    expect(named.moved.wait).toBe(2)
    expect(named.refused).toMatchObject([{ reason: 'data', count: 1, ids: ['5'] }])
  })

  test('hands deduplication over, and lets go of it there', async () => {
    const { name, queue } = made()
    await queue.add('count', 1, { deduplication: { id: 'simple' } })
    await queue.add('count', 2, { deduplication: { id: 'throttle', ttl: 3_600_000 } })
    await queue.add('count', 3, {
      delay: 60_000,
      deduplication: { id: 'debounce', ttl: 60_000, extend: true, replace: true },
    })
    await queue.add('count', 4, { deduplication: { id: 'gone', ttl: 1 } })
    await waitFor(async () => (await openRedis(server.url).exists(`bull:${name}:de:gone`)) === 0)
    const engine = memory()
    await importBullmq({ redis: server.url, queue: name, engine })
    expect((await tasksOf(engine)).map(({ dedupeKey }) => dedupeKey)).toEqual([
      ...['simple', 'throttle', undefined, 'debounce'],
    ])
    expect(await openRedis(server.url).keys(`bull:${name}:de:*`)).toEqual(
      expect.arrayContaining([`bull:${name}:de:throttle`, `bull:${name}:de:debounce`]),
    )
    expect(await openRedis(server.url).exists(`bull:${name}:de:simple`)).toBe(0)

    await queue.add('count', 5, { deduplication: { id: 'simple' } })
    const again = await importBullmq({ redis: server.url, queue: name, engine })
    expect(again).toMatchObject({ moved: { wait: 1 }, deduplicated: 1, after: { counts: { wait: 0 } } })
    expect(inputsOf(await tasksOf(engine))).toEqual([1, 2, 4, 3])
  })

  test('does not let run what is paused', async () => {
    const { name, queue } = made()
    await queue.add('count', 1)
    await queue.pause()
    await queue.add('count', 2)
    const engine = memory()
    await expect(importBullmq({ redis: server.url, queue: name, engine })).rejects.toMatchObject({
      code: 'config_invalid',
      path: 'evenIfPaused',
    })
    const report = await importBullmq({ redis: server.url, queue: name, engine, evenIfPaused: true })
    expect(report.before.paused).toBe(true)
    expect(report.moved.wait + report.moved.paused).toBe(2)
    expect(inputsOf(await tasksOf(engine))).toEqual([1, 2])
  })

  test('refuses a queue that is not there, and one of an older library', async () => {
    const name = newName()
    await expect(importBullmq({ redis: server.url, queue: name, engine: memory() })).rejects.toMatchObject({
      code: 'not_found',
    })
    await openRedis(server.url).hset(`bull:${name}:meta`, 'version', 'bullmq:4.17.0')
    await expect(importBullmq({ redis: server.url, queue: name, engine: memory() })).rejects.toMatchObject({
      code: 'capability_missing',
    })
  })

  test('goes on for as long as it is told to, so that producers can follow later', async () => {
    const { name, queue } = made()
    await queue.add('count', 1)
    const engine = memory()
    const until = new AbortController()
    const moving = importBullmq({ redis: server.url, queue: name, engine, follow: true, signal: until.signal })
    await waitFor(async () => (await queue.getWaitingCount()) === 0)
    await queue.add('count', 2)
    await waitFor(async () => (await queue.getWaitingCount()) === 0)
    until.abort()
    expect((await moving).moved.wait).toBe(2)
    expect(inputsOf(await tasksOf(engine))).toEqual([1, 2])
  })

  test('tells people in a few lines, without the data of jobs', async () => {
    const { name, queue } = made()
    await queue.add('sendEmail', { secret: 'pssst' })
    await queue.add('sendEmail\u001b[2J', {}, { priority: 2 })
    const report = await importBullmq({ redis: server.url, queue: name, engine: memory(), dryRun: true })
    const text = reportText(report).join('\n')
    expect(text).toContain('sendEmail')
    expect(text).toContain('would be tasks: 2')
    expect(text).not.toContain('pssst')
    expect(text).not.toContain('\u001b')
  })
})
