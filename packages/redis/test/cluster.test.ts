import { isMillraceError, type StoredRecord } from '@millrace/core/driver'
import { askRedis, available, type RedisCluster, startRedisCluster } from 'engines'
import { taskStoresOf } from '@millrace/core/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKeys } from '../src/keys.ts'
import { connected, openDriver, record } from './driver-of.ts'
import { claim, done, exchange, newTasks } from './tasks-of.ts'

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

  test('the tasks of two prefixes are in two slots', async () => {
    const slots = await Promise.all(
      ['mail:', 'reports:'].map((prefix) =>
        askRedis(cluster.nodes[0]?.url ?? '', 'CLUSTER', 'KEYSLOT', createKeys(prefix).tasks.base),
      ),
    )
    expect(new Set(slots).size).toBe(2)
  })

  test('tasks whose slot moves are added and run once, and no step stops half done', async () => {
    const driver = await connected({ url: cluster.url, prefix: 'moving-tasks:' })
    const { tasks, taskAdmin } = taskStoresOf(driver)
    const slot = Number(await askRedis(cluster.nodes[0]?.url ?? '', 'CLUSTER', 'KEYSLOT', '{moving-tasks:tasks}'))
    await tasks.enqueue(newTasks(20, { key: 'k' }))
    const ask = (node: number, ...args: string[]): Promise<unknown> =>
      askRedis(cluster.nodes[node % 3]?.url ?? '', 'CLUSTER', ...args)
    for (const at of [0, 1, 2]) {
      const [from, to] = [String(await ask(at, 'MYID')), String(await ask(at + 1, 'MYID'))]
      // Only the owner of the slot takes this; the next node expects it from then on.
      const isOwner = await ask(at, 'SETSLOT', String(slot), 'MIGRATING', to).catch(() => undefined)
      if (isOwner !== undefined) await ask(at + 1, 'SETSLOT', String(slot), 'IMPORTING', from)
    }
    // Most keys are where they were, and the script would meet one that is not only after it has written others.
    await expect(claim(driver, 'w')).rejects.toMatchObject({ code: 'engine_busy', retriable: true })
    await expect(tasks.enqueue(newTasks(21))).rejects.toMatchObject({ code: 'engine_busy', retriable: true })
    for (const { url } of cluster.nodes) await askRedis(url, 'CLUSTER', 'SETSLOT', String(slot), 'STABLE')
    let moved = 0
    let ran = 0
    const moving = (async () => {
      for (const node of cluster.nodes) {
        await cluster.moveSlot(slot, node)
        moved += 1
      }
    })()
    let open: Awaited<ReturnType<typeof claim>> = []
    while (moved < cluster.nodes.length || ran < 20) {
      const given = await exchange(driver, 'w', open.map(done), 3).catch(() => undefined)
      if (given === undefined) continue
      ran += open.length
      open = given
    }
    await moving
    const [status] = await taskAdmin.queues()
    expect([ran, status?.counts.done, status?.counts.ready, status?.counts.running]).toEqual([20, 20, 0, 0])
  })
})
