import { isMillraceError, type StoredRecord } from '@millrace/core/driver'
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

  test('a step in the side lane that meets a moving slot is done whole, or not at all', async () => {
    const driver = await connected({ url: cluster.url, prefix: 'lane:' })
    await driver.transport.publish([record(), record({ partition: 1 })])
    const [waiting, later] = await driver.transport.read({ topic: 'order', limit: 2 })
    if (waiting === undefined || later === undefined) throw new Error('Two events were stored.')
    const add = (stored: StoredRecord): Promise<string> =>
      driver.stores.lane.add(
        [
          {
            group: 'readers',
            laneKey: 'k',
            record: stored,
            delayMs: 0,
            attempts: 1,
            firstFailedAt: 1,
            reason: 'retry',
            generation: 0,
          },
        ],
        { capacity: 10 },
      )
    await add(waiting)
    const slot = await askRedis(cluster.nodes[0]?.url ?? '', 'CLUSTER', 'KEYSLOT', '{group readers}')
    // Only the owner of the slot takes this; what it lacks it sends to the other one from then on.
    for (const [at, { url }] of cluster.nodes.entries()) {
      const to = cluster.nodes[(at + 1) % cluster.nodes.length]?.url ?? ''
      const id = String(await askRedis(to, 'CLUSTER', 'MYID'))
      await askRedis(url, 'CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', id).catch(() => undefined)
    }
    await expect(add(later)).rejects.toMatchObject({ code: 'engine_busy', retriable: true })
    for (const { url } of cluster.nodes) await askRedis(url, 'CLUSTER', 'SETSLOT', String(slot), 'STABLE')
    await add(later)
    const due = await driver.stores.lane.due({
      group: 'readers',
      topic: 'order',
      partition: later.partition,
      limit: 10,
    })
    expect(due.map((entry) => entry.record.id)).toEqual([later.id])
  })
})
