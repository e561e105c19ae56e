import { askRedis, startRedisCluster } from 'engines'
import { describe, expect, it } from 'vitest'
import { withDriver } from '../crash/with-driver.ts'
import { REDIS } from './grounds.ts'
import { takeConnections } from './idle-connections.ts'
import { createScene, failuresOf, lasting } from './scene.ts'

describe.skipIf(!REDIS.available)('Redis', () => {
  it(
    'has no connection left: what has one goes on, the others are told and get in later',
    { timeout: 360_000, concurrent: true },
    async () => {
      await using server = await REDIS.start({ settings: { maxclients: '20' } })
      await using scene = createScene({ name: 'redis-connections', url: server.url })
      await scene.join()
      scene.load()
      await scene.progress()
      const held = await takeConnections(server.url, 20)
      const late = scene.join()
      await scene.progress()
      await lasting(1_000)
      held[Symbol.dispose]()
      await late
      await scene.progress()
      expect((await scene.finish()).violations).toEqual([])
    },
  )

  it('loses all of its connections again and again', { timeout: 360_000, concurrent: true }, async () => {
    await using server = await REDIS.start()
    await using scene = createScene({ name: 'redis-sessions', url: server.url })
    await scene.join()
    await scene.join()
    scene.load()
    await scene.progress()
    for (let times = 0; times < 3; times += 1) {
      await askRedis(server.url, 'CLIENT', 'KILL', 'TYPE', 'normal')
      await askRedis(server.url, 'CLIENT', 'KILL', 'TYPE', 'pubsub')
      await scene.progress()
    }
    expect((await scene.finish()).violations).toEqual([])
  })

  it(
    'has no memory left: publishes are refused, nothing is evicted, and it goes on when there is room',
    { timeout: 360_000, concurrent: true },
    async () => {
      await using server = await REDIS.start()
      await using scene = createScene({ name: 'redis-memory', url: server.url, publishTimeoutMs: 1_500 })
      await scene.join()
      await scene.join()
      scene.load()
      await scene.progress()
      await askRedis(server.url, 'CONFIG', 'SET', 'maxmemory', '1mb')
      await scene.failure()
      await askRedis(server.url, 'CONFIG', 'SET', 'maxmemory', '0')
      await scene.progress()
      const { violations, counts } = await scene.finish()
      expect(violations).toEqual([])
      expect(counts.rejected + counts.unknown).toBeGreaterThan(0)
      expect(failuresOf(scene)).not.toContain('internal')
    },
  )

  it('is refused while it may evict', async () => {
    await using server = await REDIS.start({ settings: { 'maxmemory-policy': 'allkeys-lru', maxmemory: '100mb' } })
    await expect(withDriver(server.url, async () => 'connected')).rejects.toThrow(/maxmemory-policy|noeviction/)
  })

  it(
    'is a cluster: a master dies and comes back, and a slot moves while events flow',
    { timeout: 360_000, concurrent: true },
    async () => {
      await using cluster = await startRedisCluster({ appendfsync: 'always' })
      await using scene = createScene({ name: 'redis-cluster', url: cluster.url })
      await scene.join()
      await scene.join()
      scene.load()
      await scene.progress(50)
      const [first, second] = cluster.nodes
      await second?.kill()
      await lasting(500)
      await second?.restart()
      await scene.progress(50)
      if (first === undefined) throw new Error('The cluster has no node.')
      for (const slot of await slotsInUse(cluster.nodes.map(({ url }) => url))) await cluster.moveSlot(slot, first)
      await scene.progress(50)
      expect((await scene.finish()).violations).toEqual([])
    },
  )
})

/** The slots that hold keys. */
async function slotsInUse(urls: readonly string[]): Promise<ReadonlySet<number>> {
  const slots = new Set<number>()
  for (const url of urls) {
    for (const key of (await askRedis(url, 'KEYS', '*')) as string[]) {
      slots.add(Number(await askRedis(url, 'CLUSTER', 'KEYSLOT', key)))
    }
  }
  return slots
}
