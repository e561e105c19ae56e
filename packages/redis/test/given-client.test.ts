import { available, type EngineServer, startRedis } from 'engines'
import { Redis } from 'ioredis'
import { inspect } from 'node:util'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemRuntime } from '../../core/src/runtime/system-runtime.ts'
import { redis, type RedisClient } from '../src/index.ts'
import { atEnd, record } from './driver-of.ts'

describe.runIf(await available('redis-server'))('a client that is handed in', () => {
  let server: EngineServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  async function worksAndIsLeft(
    client: RedisClient & { listenerCount(event: string): number },
    prefix: string,
  ): Promise<void> {
    const engine = redis({ client, prefix })
    const before = client.listenerCount('ready') + client.listenerCount('error')
    for (let times = 0; times < 3; times += 1) {
      const driver = engine.open(systemRuntime())
      await driver.transport.connect()
      await driver.transport.ensureTopic('order', { partitions: 1 })
      const consumer = driver.transport.consume({
        topic: 'order',
        group: 'g',
        partitions: [{ partition: 0, token: 1, after: undefined }],
      })
      const [outcome] = await driver.transport.publish([record()])
      expect(outcome?.outcome).toBe('stored')
      expect((await consumer.fetch({ max: 10 })).length).toBe(times + 1)
      await driver.transport.close()
    }
    expect(client.listenerCount('ready') + client.listenerCount('error')).toBe(before)
  }

  test('of redis, with its own protocol and queue: it stays open, and nothing of ours stays on it', async () => {
    const client = createClient({ url: server.url })
    client.on('error', () => undefined)
    await client.connect()
    atEnd(() => client.destroy())
    await worksAndIsLeft(client, 'given-node:')
    expect(await client.ping()).toBe('PONG')
  })

  test('of ioredis: the same', async () => {
    const client = new Redis(server.url)
    client.on('error', () => undefined)
    atEnd(() => client.disconnect())
    await worksAndIsLeft(client, 'given-io:')
    expect(await client.ping()).toBe('PONG')
  })

  test('of ioredis, whose errors carry what was sent: ours name what failed, and hold no payload', async () => {
    const client = new Redis(server.url)
    client.on('error', () => undefined)
    atEnd(() => client.disconnect())
    const driver = redis({ client, prefix: 'full-io:' }).open(systemRuntime())
    await driver.transport.connect()
    await driver.transport.ensureTopic('order', { partitions: 1 })
    await client.config('SET', 'maxmemory', '1')
    const [outcome] = await driver.transport.publish([record({ body: '{"secret":"s3cret-payload"}' })])
    await client.config('SET', 'maxmemory', '0')
    expect(outcome).toMatchObject({ outcome: 'rejected', error: { code: 'engine_full' } })
    expect(inspect(outcome, { depth: 10, showHidden: true })).not.toContain('s3cret-payload')
    await driver.transport.close()
  })
})
