import { expect, test } from 'vitest'
import type { Consumer, Engine } from '../../src/driver.ts'
import { createMillrace, MillraceError } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { testRuntime } from '../../src/testing.ts'
import { OrderPlaced } from './order-placed.ts'

interface Watched {
  readonly engine: Engine
  /** The tokens under which partitions were given back. */
  readonly givenBack: number[]
  /** From now on progress is not stored, until `fail` ends the calls under way. */
  hold(): void
  fail(): void
}

/** An engine that can hold up the settles of one process. */
function watched(source: Engine): Watched {
  const givenBack: Watched['givenBack'] = []
  let holding = false
  let held: (() => void)[] = []
  const slow = (consumer: Consumer): Consumer => ({
    ...consumer,
    async settle(progress) {
      if (!holding) return consumer.settle(progress)
      await new Promise<void>((resolve) => held.push(resolve))
      throw new MillraceError('engine_unreachable', 'The connection broke.', { retriable: true })
    },
  })
  return {
    givenBack,
    hold: () => void (holding = true),
    fail() {
      holding = false
      for (const resolve of held) resolve()
      held = []
    },
    engine: {
      name: source.name,
      open(runtime) {
        const driver = source.open(runtime)
        const { leases } = driver.stores
        return {
          ...driver,
          transport: Object.assign(Object.create(driver.transport) as typeof driver.transport, {
            consume: (what: Parameters<typeof driver.transport.consume>[0]) => slow(driver.transport.consume(what)),
          }),
          stores: {
            ...driver.stores,
            leases: {
              ...leases,
              async giveBack(lease) {
                givenBack.push(lease.token)
                return leases.giveBack(lease)
              },
            },
          },
        }
      },
    },
  }
}

test('a partition that was lost while it was handed over is not given back', async () => {
  const runtime = testRuntime(3)
  const engine = memory()
  const first = watched(engine)
  const one = createMillrace({ name: 'one', engine: first.engine, runtime, topics: { order: { partitions: 2 } } })
  let handled = 0
  const subscribing = one.subscribe(OrderPlaced, () => void (handled += 1), { group: 'g' })
  await runtime.advance(1_000)
  await subscribing
  first.hold()
  for (const orderId of ['a', 'b', 'c', 'd', 'e', 'f']) void one.publish(OrderPlaced, { orderId })
  await runtime.advanceUntil(() => handled === 6)
  const other = createMillrace({ name: 'two', engine, runtime })
  void other.subscribe(OrderPlaced, () => {}, { group: 'g' })
  const driver = engine.open(runtime)
  void driver.transport.connect()
  await runtime.advance(4_000)
  // The first is asked for a partition and waits for its progress to be stored; then somebody holds it for dead.
  expect(first.givenBack).toEqual([])
  const { leases } = driver.stores
  const { members, partitions } = await leases.observe('g')
  const owner = partitions[0]?.owner ?? ''
  const count = members.find(({ member }) => member === owner)?.count ?? -1
  await leases.expel(owner, count)
  await runtime.advance(4_000)
  first.fail()
  await runtime.advance(20_000)
  const after = await leases.observe('g')
  expect(after.partitions.map(({ owner: of }) => of)).not.toContain(undefined)
  const lostTokens = partitions.map(({ token }) => token)
  expect(after.partitions.filter(({ token }) => lostTokens.includes(token))).toEqual([])
  expect(first.givenBack.filter((token) => lostTokens.includes(token))).toEqual([])
})
