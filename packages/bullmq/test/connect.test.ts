import { memory } from '@millrace/core/memory'
import * as bullmq6 from 'bullmq'
import { available, startRedis, startRedisCluster } from 'engines'
import { Cluster } from 'ioredis'
import { createClient } from 'redis'
import { describe, expect, test } from 'vitest'
import { importBullmq, type RedisClient } from '../src/index.ts'
import { delivering } from './delivering.ts'
import { atEnd, connectionOf, newName, openQueue } from './queues.ts'
import { inputsOf, takeAll, tasksOf } from './tasks-of.ts'

test.each([
  'https://user:s3cret@example.org',
  'redis://user:s3cret@[broken',
  'user:s3cret@example.org',
  'redis://user:s3/cret@h:x',
])('a URL that cannot be used is refused without its password: %#', async (url) => {
  const failure = await importBullmq({ redis: url, queue: 'q', engine: memory() }).catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'engine_url_invalid' })
  expect(`${String(failure)} ${JSON.stringify(failure)}`).not.toContain('s3')
})

test('a server that is not there is told at once, without the password', async () => {
  const redis = 'redis://user:s3cret@127.0.0.1:1'
  const failure = await importBullmq({ redis, queue: 'q', engine: memory() }).catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'engine_unreachable', retriable: true })
  expect(String(failure)).not.toContain('s3cret')
})

test('what is no client is refused', async () => {
  const redis = {} as RedisClient
  await expect(importBullmq({ redis, queue: 'q', engine: memory() })).rejects.toMatchObject({ code: 'config_invalid' })
})

describe.runIf(await available('redis-server'))('a server', () => {
  test('that dies in mid-move fails the run; the next one goes on', async () => {
    const server = await startRedis({ own: true, appendfsync: 'always' })
    atEnd(() => server.stop())
    const name = newName()
    const queue = new bullmq6.Queue(name, { connection: connectionOf(server.url) })
    queue.on('error', () => undefined)
    await queue.addBulk(Array.from({ length: 700 }, (_, n) => ({ name: 'count', data: n })))
    await queue.close()
    const engine = memory()
    const dying = delivering(engine, async (fire) => {
      const answer = await fire()
      await server.kill()
      return answer
    })
    const failing = importBullmq({ redis: server.url, queue: name, engine: dying })
    await expect(failing).rejects.toMatchObject({ code: 'engine_unreachable' })
    const first = await takeAll(engine)
    await server.restart()
    const report = await importBullmq({ redis: server.url, queue: name, engine })
    expect(report.resumed).toBe(500)
    expect([...first, ...inputsOf(await tasksOf(engine))]).toEqual(Array.from({ length: 700 }, (_, n) => n))
  })

  test('is read through a connected client of the package redis, which stays open', async () => {
    const server = await startRedis()
    atEnd(() => server.stop())
    const client = createClient({ url: server.url })
    await client.connect()
    atEnd(() => client.close())
    const name = newName()
    const queue = openQueue(bullmq6, server.url, name)
    await queue.add('count', 1, { delay: 60_000 })
    await queue.upsertJobScheduler('hourly', { every: 3_600_000 }, { name: 'ping' })
    const engine = memory()
    const redis: RedisClient = { sendCommand: (args) => client.sendCommand(args) }
    const report = await importBullmq({ redis, queue: name, engine })
    expect(report).toMatchObject({ refused: [], schedules: [{ scheduler: 'hourly' }] })
    expect(await client.ping()).toBe('PONG')
    expect(inputsOf(await tasksOf(engine))).toContain(1)
  })

  test('may be a cluster, through its client of ioredis', async () => {
    const cluster = await startRedisCluster()
    atEnd(() => cluster.stop())
    const client = new Cluster(cluster.nodes.map(({ url }) => ({ host: '127.0.0.1', port: Number(new URL(url).port) })))
    atEnd(() => client.disconnect())
    const name = newName()
    const queue = new bullmq6.Queue(name, { connection: client, prefix: '{bull}' })
    atEnd(() => queue.close())
    await queue.add('count', 1)
    await queue.add('count', 2, { priority: 3 })
    await queue.add('count', 3, { delay: 60_000 })
    await queue.upsertJobScheduler('hourly', { every: 3_600_000 }, { name: 'ping', data: 4 })
    const engine = memory()
    const redis: RedisClient = { call: (command, ...args) => client.call(command, ...args) }
    const report = await importBullmq({ redis, queue: name, prefix: '{bull}', engine })
    expect(report).toMatchObject({ refused: [], schedules: [{ scheduler: 'hourly' }] })
    expect(new Set(inputsOf(await tasksOf(engine)))).toEqual(new Set([1, 2, 3, 4]))
  })
})
