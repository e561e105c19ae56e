import { createMillrace, type Millrace } from '@millrace/core'
import { memory } from '@millrace/core/memory'
import { waitFor } from '@millrace/core/testing'
import type { Engine } from '@millrace/core/driver'
import * as bullmq5 from 'bullmq5'
import { available, type EngineServer, startRedis } from 'engines'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { giveBackBullmq, importBullmq } from '../src/index.ts'
import { atEnd, connectionOf, LIBRARIES, newName, openQueue, openRedis, openWorker } from './queues.ts'
import { inputsOf, tasksOf } from './tasks-of.ts'

const HOUR = 3_600_000

describe.runIf(await available('redis-server'))('schedulers', () => {
  let server: EngineServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  function open(engine: Engine): Millrace {
    const millrace = createMillrace({ engine })
    atEnd(() => millrace.close())
    return millrace
  }

  describe.each(LIBRARIES)('%s', (_, library) => {
    test('become schedules; their pending run is moved as the job that it is', async () => {
      const name = newName()
      const queue = openQueue(library, server.url, name)
      const tokyo = { pattern: '0 30 9 * * 1-5', tz: 'Asia/Tokyo' }
      await queue.upsertJobScheduler('weekdays', tokyo, {
        name: 'sendReport',
        data: { of: 'week' },
        opts: { priority: 1 },
      })
      await queue.upsertJobScheduler('hourly', { every: HOUR }, { name: 'cleanUp', data: { deep: true } })
      await queue.upsertJobScheduler('thrice', { every: HOUR, limit: 3 }, { name: 'cleanUp' })
      await queue.upsertJobScheduler('fast', { every: 100 }, { name: 'cleanUp' })
      const nextOf = async (id: string): Promise<number> => (await queue.getJobScheduler(id))?.next ?? 0
      const next = { weekdays: await nextOf('weekdays'), hourly: await nextOf('hourly') }

      const engine = memory()
      const dry = await importBullmq({ redis: server.url, queue: name, engine, dryRun: true })
      expect(await queue.getJobSchedulersCount()).toBe(4)
      const report = await importBullmq({ redis: server.url, queue: name, engine })
      expect(report.schedules).toEqual(dry.schedules)
      expect(report.moved).toEqual(dry.moved)
      expect(report.schedules.map(({ schedule, task, rule }) => `${schedule} ${task} ${rule}`).toSorted()).toEqual([
        `${name}.hourly clean-up every 3600000 ms`,
        `${name}.thrice clean-up every 3600000 ms`,
        `${name}.weekdays send-report 0 30 9 * * 1-5 (Asia/Tokyo)`,
      ])
      expect(report.refused.map(({ reason, ids }) => `${reason} ${ids[0]?.replace(/\d+$/, '')}`).toSorted()).toEqual([
        'schedule fast',
        'scheduler repeat:fast:',
      ])
      expect(await queue.getJobSchedulersCount()).toBe(1)

      const { schedules } = open(engine)
      // What the bridge keeps beside them is not seen.
      expect((await schedules.list()).map((schedule) => schedule.name)).toEqual([
        `${name}.hourly`,
        `${name}.thrice`,
        `${name}.weekdays`,
      ])
      const after = (id: string): Promise<readonly string[]> => schedules.next(`${name}.${id}`, 2)
      const hourly = [next.hourly + HOUR, next.hourly + 2 * HOUR].map((at) => new Date(at).toISOString())
      expect(await after('hourly')).toEqual(hourly)
      const [weekday = ''] = await after('weekdays')
      expect(Date.parse(weekday)).toBeGreaterThan(next.weekdays)
      expect(Date.parse(weekday) - next.weekdays).toBeLessThanOrEqual(3 * 24 * HOUR)
      expect(new Date(weekday).getUTCHours()).toBe(0)
      expect(await after('thrice')).toHaveLength(2)
      expect(await schedules.get(`${name}.hourly`)).toMatchObject({
        task: 'clean-up',
        queue: name,
        input: { deep: true },
      })

      const tasks = await tasksOf(engine)
      expect(tasks.map((task) => task.name).toSorted()).toEqual(['clean-up', 'clean-up', 'send-report'])
      const pending = tasks.find((task) => task.name === 'send-report')
      expect(Math.abs((pending?.dueAt ?? 0) - next.weekdays)).toBeLessThan(60_000)
      expect(pending?.headStartMs).toBe(-480_000)
    })

    test('a run that is under way there goes on, and is the last', async () => {
      const name = newName()
      const queue = openQueue(library, server.url, name)
      const started = Promise.withResolvers<void>()
      const finish = Promise.withResolvers<void>()
      let runs = 0
      openWorker(library, { url: server.url, name }, async () => {
        runs += 1
        started.resolve()
        await finish.promise
      })
      await queue.upsertJobScheduler('hourly', { every: HOUR }, { name: 'cleanUp' })
      await started.promise
      const engine = memory()
      const report = await importBullmq({ redis: server.url, queue: name, engine })
      expect(report.moved.delayed).toBe(1)
      finish.resolve()
      await waitFor(async () => (await queue.getCompletedCount()) === 1)
      expect(await queue.getJobCounts('wait', 'delayed', 'active')).toMatchObject({ wait: 0, delayed: 0, active: 0 })
      expect(runs).toBe(1)
    })
  })

  test('repeatable jobs of BullMQ 5 become schedules too', async () => {
    const name = newName()
    const queue = new bullmq5.Queue(name, { connection: connectionOf(server.url) })
    atEnd(() => queue.close())
    await queue.add('cleanUp', { deep: true }, { repeat: { pattern: '0 3 * * *', tz: 'Europe/Berlin' } })
    await queue.add('ping', 1, { repeat: { every: HOUR, limit: 10, key: 'pings' } })
    const engine = memory()
    const report = await importBullmq({ redis: server.url, queue: name, engine })
    expect(report.refused).toEqual([])
    const schedules = report.schedules.map(({ schedule, rule }) => `${schedule?.replace(/[0-9a-f]{8}$/, '#')} ${rule}`)
    expect(schedules.toSorted()).toEqual([
      `${name}.clean-up-# 0 3 * * * (Europe/Berlin)`,
      `${name}.pings every 3600000 ms`,
    ])
    expect(inputsOf(await tasksOf(engine))).toEqual(expect.arrayContaining([{ deep: true }, 1]))
    expect(report.after.counts).toMatchObject({ schedulers: 0, delayed: 0 })
  })

  test('a repeatable job with the key of BullMQ 3 and before is read from that key', async () => {
    const name = newName()
    const redis = openRedis(server.url)
    const next = Date.now() + 24 * HOUR
    const key = 'cleanUp:::Europe/Berlin:0 3 * * *'
    await redis.hset(`bull:${name}:meta`, 'version', 'bullmq:5.0.0')
    await redis.zadd(`bull:${name}:repeat`, next, key)
    const id = `repeat:${key}:${next}`
    const options = JSON.stringify({
      repeat: { pattern: '0 3 * * *', tz: 'Europe/Berlin', count: 4 },
      prevMillis: next,
    })
    await redis.hset(`bull:${name}:${id}`, {
      name: 'cleanUp',
      data: '{"deep":true}',
      opts: options,
      timestamp: 1,
      rjk: key,
    })
    await redis.zadd(`bull:${name}:delayed`, next * 4_096, id)
    const engine = memory()
    const report = await importBullmq({ redis: server.url, queue: name, engine })
    expect(report.schedules).toMatchObject([{ task: 'clean-up', rule: '0 3 * * * (Europe/Berlin)' }])
    expect(inputsOf(await tasksOf(engine))).toEqual([{ deep: true }])
  })

  test('a pattern that ours does not understand goes back, with its pending run', async () => {
    const name = newName()
    const redis = openRedis(server.url)
    const next = Date.now() + 24 * HOUR
    await redis.hset(`bull:${name}:meta`, 'version', 'bullmq:6.0.0')
    await redis.zadd(`bull:${name}:repeat`, next, 'odd')
    await redis.hset(`bull:${name}:repeat:odd`, { name: 'cleanUp', pattern: 'every full moon', ic: 1 })
    const id = `repeat:odd:${next}`
    await redis.hset(`bull:${name}:${id}`, { name: 'cleanUp', data: '{}', opts: '{}', timestamp: 1, rjk: 'odd' })
    await redis.zadd(`bull:${name}:delayed`, next * 4_096, id)
    const engine = memory()
    const report = await importBullmq({ redis: server.url, queue: name, engine })
    expect(report.refused.map(({ reason }) => reason).toSorted()).toEqual(['schedule', 'scheduler'])
    expect(await redis.zscore(`bull:${name}:repeat`, 'odd')).toBe(String(next))
    expect(await redis.hget(`bull:${name}:repeat:odd`, 'pattern')).toBe('every full moon')
    expect(await tasksOf(engine)).toEqual([])
  })

  test('one that was taken and not stored is stored by the next run, or given back', async () => {
    const [name, redis] = [newName(), openRedis(server.url)]
    const queue = openQueue(LIBRARIES[1]?.[1] ?? (bullmq5 as never), server.url, name)
    const take = async (): Promise<void> => {
      await queue.upsertJobScheduler('hourly', { every: HOUR }, { name: 'cleanUp' })
      const broken = memory()
      const failing: Engine = {
        name: broken.name,
        open(runtime) {
          const driver = broken.open(runtime)
          const { schedules } = driver.stores
          if (schedules === undefined) throw new Error('This engine keeps no schedules.')
          const put: typeof schedules.put = () => Promise.reject(new Error('cut off'))
          return { ...driver, stores: { ...driver.stores, schedules: { ...schedules, put } } }
        },
      }
      await expect(importBullmq({ redis: server.url, queue: name, engine: failing })).rejects.toThrow('cut off')
      expect(await redis.hkeys(`bull:${name}:millrace:schedulers`)).toEqual(['hourly'])
    }
    const engine = memory()
    await take()
    expect(await giveBackBullmq({ redis: server.url, queue: name, engine })).toMatchObject({ schedulers: 1 })
    expect(await queue.getJobScheduler('hourly')).toMatchObject({ name: 'cleanUp', every: HOUR })
    await take()
    const report = await importBullmq({ redis: server.url, queue: name, engine })
    expect(report.schedules).toMatchObject([{ scheduler: 'hourly' }])
    expect(await redis.exists(`bull:${name}:millrace:schedulers`)).toBe(0)
  })
})
