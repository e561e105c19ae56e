import type { ClaimedTask, Driver, PartitionProgress, TaskClaim } from '@millrace/core/driver'
import { createMillrace, type FollowOptions, type Millrace } from '@millrace/core'
import { settleOf, type TaskStores, taskStoresOf } from '@millrace/core/testing'
import { startFaultProxy, startPostgresPair } from 'engines'
import { describe, expect, test, vi } from 'vitest'
import { postgres } from '../src/index.ts'
import { loggingRuntime, recordsOf } from './driver.ts'
import { claimOf, newTask, newTasks } from './new-tasks.ts'
import { hasPostgres } from './test-server.ts'

const LONG = { timeout: 360_000 }

describe.skipIf(!hasPostgres)('a failover to a standby that was behind', () => {
  test(
    'lets nobody settle positions that the lost primary gave, and every group has what gets them again',
    LONG,
    async () => {
      await using servers = await startPair()
      const { driver } = servers
      const { transport, stores } = driver
      await transport.ensureTopic('t', { partitions: 2 })
      await transport.ensureGroup('g', ['t'], 'earliest')
      await transport.publish(recordsOf('t', 5))
      const kept = await claim(driver, 'before', 0)
      expect(await settleUpTo(driver, kept, 3)).toEqual([])
      // What waits for the disk takes the progress with it, which does not.
      const unused = await claim(driver, 'before', 1)
      await servers.leaveBehind()

      // What only the primary has: five events, a claim that takes a token, and progress over all of them.
      await transport.publish(recordsOf('t', 5))
      await stores.leases.giveBack({ group: 'g', topic: 't', partition: 1, token: unused.token, clean: true })
      const lost = await claim(driver, 'before', 1)
      expect(await settleUpTo(driver, kept, 8)).toEqual([])
      await servers.failOver()

      // The positions 6 to 10 are given again.
      const again = await published(driver)
      expect(again.map(({ position }) => Number(position))).toEqual([6, 7, 8, 9, 10])
      expect(await settleUpTo(driver, kept, 10)).toEqual([0])
      expect(await settleUpTo(driver, unused, 1)).toEqual([1])
      expect(await transport.consume({ topic: 't', group: 'g', partitions: [] }).settle([progressOf(lost, 1)])).toEqual(
        { fenced: [1] },
      )
      const place = { group: 'g', topic: 't', partition: 0 }
      expect(await stores.leases.giveBack({ ...place, token: kept.token, clean: true })).toBe(false)
      expect(await stores.lane.settle({ ...place, token: kept.token, done: [], postponed: [] })).toBe('fenced')

      // Nobody owns anything, and whoever takes over knows that it was not left in order.
      const { partitions } = await stores.leases.observe('g')
      expect(partitions.map(({ owner }) => owner)).toEqual([undefined, undefined])
      const taken = await claim(driver, 'after', 0)
      expect(taken).toMatchObject({ clean: false, settled: '0000000000000003' })
      expect([kept.token, unused.token, lost.token]).not.toContain(taken.token)
      expect((await claim(driver, 'after', 1)).token).not.toBe(lost.token)
      const consumer = transport.consume({
        topic: 't',
        group: 'g',
        partitions: [{ partition: 0, token: taken.token, after: taken.settled }],
      })
      const read = await consumer.fetch({ max: 100, mark: true })
      expect(read.map(({ id }) => id).slice(-5)).toEqual(again.map(({ id }) => id))
      expect(await settleUpTo(driver, taken, 10)).toEqual([])
      await consumer.close()
    },
  )

  test('sends a reader that comes back with a cursor to before what was lost', LONG, async () => {
    await using servers = await startPair()
    const { driver, url } = servers
    await driver.transport.ensureTopic('t', { partitions: 1 })
    await driver.transport.publish(recordsOf('t', 5))
    await using millrace = createMillrace({ engine: postgres({ url }), onError: () => {} })
    const { cursor: start } = await nextChunk(millrace, 'latest')
    await driver.transport.publish(recordsOf('t', 2))
    const kept = await nextChunk(millrace, { cursor: start }, 2)
    await servers.leaveBehind()
    await driver.transport.publish(recordsOf('t', 5))
    const { cursor } = await nextChunk(millrace, { cursor: kept.cursor }, 5)
    await servers.failOver()

    // The positions of the five are given again.
    const again = await published(driver)
    const after = await vi.waitFor(() => nextChunk(millrace, { cursor }, again.length), { timeout: 120_000 })
    expect(after.recovered).toBe(false)
    expect(after.ids).toEqual(expect.arrayContaining(again.map(({ id }) => id)))
  })

  test('settles no task under a number that the lost primary gave to another', LONG, async () => {
    await using servers = await startPair()
    const { tasks } = taskStoresOf(servers.driver)
    await tasks.enqueue([newTask()])
    await servers.leaveBehind()
    // More than the numbers that the server has written down as given, ahead of the first.
    await tasks.enqueue(newTasks(60))
    const lost = await exchange(tasks, [claimOf(100)])
    expect(lost).toHaveLength(61)
    await servers.failOver()

    const again = newTasks(60)
    await vi.waitFor(() => tasks.enqueue(again), { timeout: 120_000 })
    const claimed = await exchange(tasks, [claimOf(100)])
    expect(claimed).toHaveLength(61)
    const { settled } = await tasks.exchange({
      worker: 'w',
      settles: lost.map((task) => settleOf(task)),
      notes: [],
      claims: [],
    })
    // The first is one and the same on both, claimed anew by the same worker.
    expect(settled.filter((each) => each === 'settled')).toHaveLength(1)
    const own = claimed.filter(({ id }) => again.some((task) => task.id === id))
    const ended = await tasks.exchange({
      worker: 'w',
      settles: own.map((task) => settleOf(task)),
      notes: [],
      claims: [],
    })
    expect(new Set(ended.settled)).toEqual(new Set(['settled']))
  })
})

/** A driver on a pair of servers. */
interface Servers extends AsyncDisposable {
  readonly driver: Driver
  /** Of whichever of the two is the primary. */
  readonly url: string
  /** From now on the standby gets nothing any more. */
  leaveBehind(): Promise<void>
  /** The primary ends, and the standby is promoted. */
  failOver(): Promise<void>
}

async function startPair(): Promise<Servers> {
  const pair = await startPostgresPair()
  const proxy = await startFaultProxy(pair.primary.url)
  const driver = postgres({ url: proxy.url }).open(loggingRuntime())
  await driver.transport.connect()
  return {
    driver,
    url: proxy.url,
    async leaveBehind() {
      await pair.inStep()
      await pair.standby.kill()
    },
    async failOver() {
      await pair.primary.kill()
      await pair.standby.restart()
      await pair.promote()
      proxy.pointTo(pair.standby.url)
      proxy.resetAll()
    },
    async [Symbol.asyncDispose]() {
      await driver.transport.close()
      await proxy.close()
      await pair.stop()
    },
  }
}

/** Follows the log until so many events have come. */
async function nextChunk(
  millrace: Millrace,
  from: NonNullable<FollowOptions['from']>,
  events = 0,
): Promise<{ readonly cursor: string; readonly recovered: boolean; readonly ids: readonly string[] }> {
  const ids: string[] = []
  let recovered = true
  for await (const chunk of millrace.follow({ from, signal: AbortSignal.timeout(60_000) })) {
    ids.push(...chunk.events.map(({ id }) => id))
    recovered &&= chunk.recovered
    if (ids.length >= events) return { cursor: chunk.cursor, recovered, ids }
  }
  throw new Error(`Only ${ids.length} of ${events} events came.`)
}

async function exchange(tasks: TaskStores['tasks'], claims: readonly TaskClaim[]): Promise<readonly ClaimedTask[]> {
  const { claimed } = await tasks.exchange({ worker: 'w', settles: [], notes: [], claims })
  return claimed.flatMap((claim) => claim.tasks)
}

interface Held {
  readonly token: number
  readonly partition: number
  readonly settled: string
  readonly clean: boolean
}

async function claim({ stores }: Driver, member: string, partition: number): Promise<Held> {
  const lease = (await stores.leases.observe('g')).partitions.find((one) => one.partition === partition)
  const claimed = await stores.leases.claim({
    group: 'g',
    topic: 't',
    partition,
    member,
    expectedOwner: lease?.owner,
    expectedToken: lease?.token ?? 0,
  })
  if (claimed === undefined) throw new Error('Somebody else was quicker.')
  const { token, clean, progress } = claimed
  return { token, clean, partition, settled: progress.settled ?? '' }
}

function progressOf({ token, partition }: Held, seq: number): PartitionProgress {
  const settled = String(seq).padStart(16, '0')
  return { partition, token, settled, fetchedHigh: settled, ahead: [], aheadCount: 0, attempts: [], newlySettled: 0 }
}

async function settleUpTo({ transport }: Driver, held: Held, seq: number): Promise<readonly number[]> {
  const settler = transport.consume({ topic: 't', group: 'g', partitions: [] })
  const { fenced } = await settler.settle([progressOf(held, seq)])
  await settler.close()
  return fenced
}

/** Publishes five, again and again until the server that is now behind the URL takes them; the same ids are stored once. */
async function published({
  transport,
}: Driver): Promise<readonly { readonly id: string; readonly position: string }[]> {
  const records = recordsOf('t', 5)
  return vi.waitFor(
    async () =>
      (await transport.publish(records)).map((outcome, at) => {
        if ('error' in outcome) throw outcome.error
        return { id: records[at]?.id ?? '', position: outcome.position }
      }),
    { timeout: 120_000 },
  )
}
