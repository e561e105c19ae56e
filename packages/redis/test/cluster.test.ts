import { isMillraceError } from '@millrace/core/driver'
import { askRedis, available, type RedisCluster, startRedisCluster } from 'engines'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connected, openDriver, record } from './driver-of.ts'

describe.runIf(await available('redis-server'))('a cluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await startRedisCluster()
  })
  afterAll(() => cluster.stop())

  test('one that is spoken to as a single server says so', async () => {
    const failures = await Promise.all(
      cluster.nodes.map(({ url }) =>
        openDriver(url)
          .transport.connect()
          .catch((error: unknown) => error),
      ),
    )
    // The master that holds the registry is the only one that connecting alone does not find out.
    const told = failures.filter((failure) => isMillraceError(failure, 'config_invalid'))
    expect(told.length).toBeGreaterThanOrEqual(2)
    expect(told.every((failure) => String(failure).includes('redis+cluster://'))).toBe(true)
  })

  test('a slot that moves under way loses nothing and keeps the order', async () => {
    const driver = await connected({ url: cluster.url, prefix: 'moving:' })
    const [first] = cluster.nodes
    const slot = Number(await askRedis(first?.url ?? '', 'CLUSTER', 'KEYSLOT', '{order/0}'))
    const sent: string[] = []
    let moved = 0
    const moving = (async () => {
      for (const node of cluster.nodes) {
        await cluster.moveSlot(slot, node)
        moved += 1
      }
    })()
    while (moved < cluster.nodes.length || sent.length < 100) {
      const batch = Array.from({ length: 5 }, () => record())
      // As the core does: what is unknown is sent again, with the same ids, before anything else of its key.
      for (let left = batch; left.length > 0;) {
        const outcomes = await driver.transport.publish(left)
        expect(outcomes.filter(({ outcome }) => outcome === 'rejected')).toEqual([])
        left = left.filter((_, at) => outcomes[at]?.outcome === 'unknown')
      }
      sent.push(...batch.map(({ id }) => id))
    }
    await moving
    const read = await driver.transport.read({ topic: 'order', limit: 10_000, partition: 0 })
    expect(read.map(({ id }) => id)).toEqual(sent)
  })
})
