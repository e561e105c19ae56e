import assert from 'node:assert/strict'
import type { Context } from '../context.ts'
import type { Property } from '../property.ts'
import { publishAll, readAll, record } from '../records.ts'
import { consumeLeases, isSettledBy, progressOf, takeOver } from '../worker.ts'

/** What `lag` must do. */
export const lagProperties: readonly Property[] = [
  { id: '39 lag is what was published and is not settled', needs: ['lag'], run: truth },
  { id: '39 lag of a topic without events is nothing', needs: ['lag'], run: empty },
]

async function truth({ open, random }: Context): Promise<void> {
  const driver = await open()
  const { transport } = driver
  await transport.ensureTopic('lag', { partitions: 2 })
  await transport.ensureGroup('group', ['lag'], 'earliest')
  const leases = await takeOver(driver, 'group', 'lag', 'm')
  const consumer = consumeLeases(driver, 'group', 'lag', leases)
  const settled = leases.map(() => new Set<string>())
  for (let round = 0; round < 25; round += 1) {
    const count = random.integer(0, 12)
    await publishAll(
      driver,
      Array.from({ length: count }, () => record({ topic: 'lag', partition: random.integer(0, 1) })),
    )
    const log = await readAll(driver, 'lag')
    const changes = leases.map((lease) => {
      const own = log.filter(({ partition }) => partition === lease.partition).map(({ position }) => position)
      const done = settled[lease.partition] ?? new Set()
      const fresh = own.filter((position) => !done.has(position) && random.chance(0.3))
      for (const position of fresh) done.add(position)
      return { ...lease, ...progressOf(own, done, own.length), newlySettled: fresh.length }
    })
    assert.deepEqual((await consumer.settle(changes)).fenced, [])
    const exact = transport.capabilities.lag.level === 'native'
    for (const lag of await transport.lag('lag', 'group')) {
      const own = log.filter(({ partition }) => partition === lag.partition)
      const progress = changes[lag.partition]
      assert.ok(progress)
      const left = own.filter(({ position }) => !isSettledBy(progress, position))
      assert.equal(lag.exact, exact, 'marked as the capability says')
      assert.equal(lag.head, own.at(-1)?.position)
      assert.equal(lag.settled, progress.settled)
      if (exact) assert.equal(lag.lag, left.length, `lag of partition ${lag.partition} in round ${round}`)
      if (exact) assert.equal(lag.oldestUnsettledAt, left[0]?.recordedAt)
    }
  }
}

async function empty({ open }: Context): Promise<void> {
  const { transport } = await open()
  await transport.ensureTopic('lag', { partitions: 3 })
  await transport.ensureGroup('group', ['lag'], 'latest')
  assert.deepEqual(
    (await transport.lag('lag', 'group')).map(({ partition, head, settled, lag, oldestUnsettledAt }) => ({
      partition,
      head,
      settled,
      lag,
      oldestUnsettledAt,
    })),
    [0, 1, 2].map((partition) => ({
      partition,
      head: undefined,
      settled: undefined,
      lag: 0,
      oldestUnsettledAt: undefined,
    })),
  )
}
