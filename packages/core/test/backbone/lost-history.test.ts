import { expect, it } from 'vitest'
import type { Engine, Transport } from '../../src/driver.ts'
import type { FollowOptions } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { openShop, type Shop } from '../tasks/shop.ts'
import { OrderPlaced } from './order-placed.ts'

interface Pair extends Shop {
  /** All of one key, so that all are in one partition. */
  publish(...orders: readonly string[]): Promise<void>
  /** From now on the copy gets nothing any more. */
  leaveBehind(): void
  /** The copy takes over: what it had not got is lost, and its positions are given again. */
  failOver(): void
  /** What a following gives from now on, until the test ends. */
  follow(options?: FollowOptions): Following
}

interface Following {
  readonly seen: readonly string[]
  readonly recovered: readonly boolean[]
  readonly cursor: string
}

/** A shop on an engine with a copy. */
function openPair({ tellsTimeline = true } = {}): Pair {
  let isInStep = true
  let hasFailed = false
  const [first, second] = [memory(), memory()]
  const engine: Engine = {
    name: 'a pair',
    open(runtime) {
      const [one, other] = [first.open(runtime).transport, second.open(runtime).transport]
      const now = (): Transport => (hasFailed ? other : one)
      const transport: Partial<Transport> = {
        connect: async () => void (await Promise.all([one.connect(), other.connect()])),
        ensureTopic: async (...given) =>
          (await Promise.all([one.ensureTopic(...given), other.ensureTopic(...given)]))[0],
        async publish(records) {
          if (isInStep && !hasFailed) await other.publish(records)
          return now().publish(records)
        },
        read: (query) => now().read(query),
        async list() {
          const listing = await now().list()
          return tellsTimeline ? { ...listing, timeline: hasFailed ? '2' : '1' } : listing
        },
      }
      return { ...first.open(runtime), transport: Object.assign(Object.create(one), transport) }
    },
  }
  const shop = openShop({ engine })
  return {
    ...shop,
    async publish(...orders) {
      for (const orderId of orders) await shop.settle(shop.millrace.publish(OrderPlaced, { orderId }, { key: 'one' }))
    },
    leaveBehind: () => void (isInStep = false),
    failOver: () => void (hasFailed = true),
    follow(options) {
      const [seen, recovered]: [string[], boolean[]] = [[], []]
      const following = { seen, recovered, cursor: '' }
      void (async () => {
        for await (const chunk of shop.millrace.follow(options)) {
          following.cursor = chunk.cursor
          if (chunk.events.length === 0) recovered.push(chunk.recovered)
          for (const { data } of chunk.events) seen.push((data as { orderId: string }).orderId)
        }
      })().catch(() => {})
      return following
    },
  }
}

it('a following over a failover that loses events begins anew, and misses nothing of what stands in their places', async () => {
  const { publish, leaveBehind, failOver, follow, runtime } = openPair()
  await publish('a')
  const following = follow()
  await runtime.advance(10_000)
  await publish('b', 'c')
  await runtime.advance(10_000)
  leaveBehind()
  await publish('lost 1', 'lost 2')
  await runtime.advance(1_000)
  expect(following).toMatchObject({ seen: ['b', 'c', 'lost 1', 'lost 2'], recovered: [true] })
  failOver()
  await publish('d', 'e', 'f')
  await runtime.advance(10_000)
  expect(following.recovered).toEqual([true, false])
  // What is younger than the clocks of two servers may differ comes twice.
  expect(new Set(following.seen.slice(4))).toEqual(new Set(['b', 'c', 'd', 'e', 'f']))
})

it.each([{ grownBy: 1 }, { grownBy: 3 }])(
  'a cursor into what was lost goes on before it, also when the log has grown again by $grownBy',
  async ({ grownBy }) => {
    const { publish, leaveBehind, failOver, follow, runtime } = openPair()
    const before = follow()
    await publish('old')
    await runtime.advance(10_000)
    await publish('a')
    await runtime.advance(10_000)
    leaveBehind()
    await publish('lost 1', 'lost 2')
    await runtime.advance(1_000)
    expect(before.seen).toEqual(['old', 'a', 'lost 1', 'lost 2'])
    const { cursor } = before
    failOver()
    const others = ['b', 'c', 'd'].slice(0, grownBy)
    await publish(...others)
    const after = follow({ from: { cursor } })
    await publish('e')
    await runtime.advance(10_000)
    expect(after.recovered).toEqual([false])
    // The clocks of two servers differ: the last one before comes twice.
    expect(after.seen).toEqual(['a', ...others, 'e'])
  },
)

it('where the engine cannot tell, a cursor beyond the newest event is told, and what comes from now on is seen', async () => {
  const { publish, leaveBehind, failOver, follow, runtime } = openPair({ tellsTimeline: false })
  await publish('a')
  const before = follow()
  await runtime.advance(1_000)
  leaveBehind()
  await publish('lost 1', 'lost 2')
  await runtime.advance(1_000)
  const { cursor } = before
  failOver()
  const after = follow({ from: { cursor } })
  await runtime.advance(1_000)
  expect(after.recovered).toEqual([false])
  await publish('b')
  await runtime.advance(1_000)
  expect(after.seen).toEqual(['b'])
})

it('what was not read yet is not passed over', async () => {
  const { publish, failOver, follow, runtime, settle, millrace } = openPair()
  await publish('a')
  const { events } = await settle(millrace.read())
  const reader = follow()
  await runtime.advance(1_000)
  await publish('b', 'c')
  await runtime.advance(60_000)
  expect(reader.seen).toEqual(['b', 'c'])
  const early = follow({ from: 'earliest' })
  await runtime.advance(20_000)
  failOver()
  await publish('d')
  await runtime.advance(20_000)
  expect(events).toHaveLength(1)
  expect(early.recovered).toEqual([true, false])
  expect(early.seen.slice(0, 3)).toEqual(['a', 'b', 'c'])
  expect(early.seen.at(-1)).toBe('d')
})

it('who waits for an event gets it where a lost one had stood', async () => {
  const { publish, leaveBehind, failOver, runtime, millrace, settle } = openPair()
  await publish('a')
  const awaited = millrace.waitFor(OrderPlaced, { correlationId: 'flow', timeout: 60_000 })
  awaited.catch(() => {})
  await runtime.advance(1_000)
  leaveBehind()
  await publish('lost 1', 'lost 2')
  await runtime.advance(1_000)
  failOver()
  await settle(millrace.publish(OrderPlaced, { orderId: 'answer' }, { key: 'one', correlationId: 'flow' }))
  expect((await settle(awaited)).data.orderId).toBe('answer')
})
