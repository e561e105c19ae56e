import { Cluster, Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { startRedisCluster, startRedisSentinel } from '../src/index.ts'

const SLOT_OF_FOO = 12_182

describe('a cluster of three masters', () => {
  test('shares the slots and keeps what it holds when a master is killed and comes back', async () => {
    await using cluster = await startRedisCluster({ appendfsync: 'always' })
    expect(cluster.nodes).toHaveLength(3)
    expect(cluster.url).toMatch(/^redis\+cluster:\/\/(127\.0\.0\.1:\d+,){2}127\.0\.0\.1:\d+$/)
    const client = clusterClient(cluster.url)
    const keys = Array.from({ length: 60 }, (_, index) => `key${index}`)
    for (const key of keys) await client.set(key, key)
    const sizes = await Promise.all(cluster.nodes.map(({ url }) => sizeOf(url)))
    expect(sizes.every((size) => size > 0)).toBe(true)
    expect(sizes.reduce((sum, size) => sum + size)).toBe(keys.length)

    await cluster.nodes[1]?.kill()
    await cluster.nodes[1]?.restart()
    await expect.poll(() => Promise.all(keys.map((key) => client.get(key)))).toEqual(keys)
    client.disconnect()
  })

  test('moves a slot with its keys', async () => {
    await using cluster = await startRedisCluster()
    const client = clusterClient(cluster.url)
    await client.set('foo', 'bar')
    const [first] = cluster.nodes
    if (first === undefined) throw new Error('no node')
    expect(await sizeOf(first.url)).toBe(0)
    await cluster.moveSlot(SLOT_OF_FOO, first)
    expect(await sizeOf(first.url)).toBe(1)
    expect(await client.get('foo')).toBe('bar')
    client.disconnect()
  })
})

test('sentinels promote the replica of a primary that was killed, and take it back as a replica', async () => {
  await using group = await startRedisSentinel({ sentinels: 3 })
  expect(group.url).toMatch(/^redis\+sentinel:\/\/(127\.0\.0\.1:\d+,){2}127\.0\.0\.1:\d+\/millrace$/)
  const old = await group.primary()
  const before = new Redis(old.url)
  await before.set('kept', 'yes')
  await before.wait(1, 60_000)
  before.disconnect()
  await old.kill()
  const now = await group.promoted(old)
  expect(now.url).not.toBe(old.url)
  const after = new Redis(now.url)
  expect(await after.get('kept')).toBe('yes')
  await after.set('more', 'yes')
  await old.restart()
  const back = new Redis(old.url)
  await expect.poll(async () => (await back.role())[0]).toBe('slave')
  await expect.poll(() => back.get('more')).toBe('yes')
  for (const client of [after, back]) client.disconnect()
})

function clusterClient(url: string): Cluster {
  const hosts = url.slice('redis+cluster://'.length).split(',')
  return new Cluster(hosts.map((host) => `redis://${host}`))
}

async function sizeOf(url: string): Promise<number> {
  const client = new Redis(url)
  return client.dbsize().finally(() => client.disconnect())
}
