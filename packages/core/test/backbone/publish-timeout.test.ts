import { expect, it } from 'vitest'
import type { PublishOutcome } from '../../src/driver.ts'
import { channels } from '../../src/bus/diagnostics.ts'
import type { PublishDiagnosis } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { openShop, type Shop } from '../tasks/shop.ts'
import { changed } from '../changed-engine.ts'
import { OrderPlaced } from './order-placed.ts'

interface Hanging extends Shop {
  /** From now on the engine takes what it is sent and answers when it is let go. */
  hang(): void
  letGo(): Promise<void>
  /** Events in the calls of the engine, by call. */
  readonly calls: readonly number[]
}

/** A shop whose engine can be made to hang, before or after it has stored what it was sent. */
async function hangingShop({ stores = true, maxPending = 100_000 } = {}): Promise<Hanging> {
  let hanging: Promise<void> | undefined
  let go: () => void = () => {}
  const calls: number[] = []
  const engine = changed(memory(), ({ transport }) => ({
    transport: {
      async publish(records): Promise<readonly PublishOutcome[]> {
        calls.push(records.length)
        if (hanging === undefined) return transport.publish(records)
        const outcomes = stores ? await transport.publish(records) : undefined
        await hanging
        if (outcomes === undefined) throw new Error('connection reset')
        return outcomes
      },
    },
  }))
  const shop = openShop({ engine, maxPending, publishTimeoutMs: 10_000 })
  await shop.settle(shop.millrace.publish(OrderPlaced, { orderId: 'the topic is known' }))
  calls.length = 0
  return {
    ...shop,
    calls,
    hang: () => void (hanging = new Promise((resolve) => (go = resolve))),
    async letGo() {
      hanging = undefined
      go()
      await shop.runtime.advance(0)
    },
  }
}

/** What became of a promise so far. */
function fateOf(promise: Promise<unknown>): { outcome: unknown } {
  const fate: { outcome: unknown } = { outcome: undefined }
  promise.then(
    (value) => (fate.outcome = value),
    (error: unknown) => (fate.outcome = error),
  )
  return fate
}

it('an event whose sending gets no answer is unknown when its time is up, and recognised when it is sent again', async () => {
  const { millrace, runtime, hang, letGo, settle } = await hangingShop()
  hang()
  const event = OrderPlaced.create({ orderId: 'a' })
  const fate = fateOf(millrace.publish(event))
  await runtime.advance(9_999)
  expect(fate.outcome).toBeUndefined()
  await runtime.advance(1)
  expect(fate.outcome).toMatchObject({ code: 'publish_unknown', retriable: true, facts: { id: event.id } })
  expect(String(fate.outcome)).toMatch(/may be stored.+same id/)
  await letGo()
  expect(await settle(millrace.publish(event))).toMatchObject({ outcome: 'stored', duplicate: true })
  expect((await settle(millrace.read())).events).toHaveLength(2)
})

it('the failure that comes too late is nobody’s, and nothing is sent again', async () => {
  const { millrace, runtime, hang, letGo, calls, settle } = await hangingShop({ stores: false })
  hang()
  const fate = fateOf(millrace.publish(OrderPlaced, { orderId: 'a' }))
  await runtime.advance(10_000)
  expect(fate.outcome).toMatchObject({ code: 'publish_unknown' })
  await letGo()
  await runtime.advance(60_000)
  expect(calls).toEqual([1])
  expect((await settle(millrace.read())).events).toHaveLength(1)
})

it('what the hanging engine was never sent is rejected, and certainly not stored', async () => {
  const { millrace, runtime, hang, letGo, calls, settle } = await hangingShop()
  hang()
  const fates = []
  for (let n = 0; n < 4; n += 1) {
    fates.push(fateOf(millrace.publish(OrderPlaced, { orderId: String(n) })))
    await runtime.advance(10)
  }
  await runtime.advance(11_000)
  expect(fates.map(({ outcome }) => outcome)).toMatchObject([
    { code: 'publish_unknown' },
    { code: 'publish_unknown' },
    { code: 'engine_unreachable', retriable: true },
    { code: 'engine_unreachable', retriable: true },
  ])
  await letGo()
  await runtime.advance(1_000)
  expect(calls).toEqual([1, 1])
  expect((await settle(millrace.read())).events).toHaveLength(3)
})

it('a batch has a result for each', async () => {
  const { millrace, runtime, hang, letGo } = await hangingShop()
  hang()
  const events = Array.from({ length: 1_000 }, (_, n) => OrderPlaced.create({ orderId: String(n) }))
  const more = Array.from({ length: 2 }, (_, n) => OrderPlaced.create({ orderId: `more ${n}` }))
  const sent = fateOf(millrace.publishBatch([...events]))
  await runtime.advance(10)
  const waiting = fateOf(millrace.publishBatch(more))
  await runtime.advance(10_100)
  expect(sent.outcome).toHaveLength(1_000)
  expect((sent.outcome as { outcome: string }[]).every(({ outcome }) => outcome === 'unknown')).toBe(true)
  expect(waiting.outcome).toMatchObject(
    more.map(({ id }) => ({ id, outcome: 'rejected', error: { code: 'engine_unreachable' } })),
  )
  await letGo()
})

it('what is being sent keeps its place among those that wait until its sending has ended', async () => {
  const { millrace, runtime, hang, letGo, settle } = await hangingShop({ maxPending: 2 })
  hang()
  const fates = [1, 2].map((n) => fateOf(millrace.publish(OrderPlaced, { orderId: String(n) })))
  await runtime.advance(20_000)
  expect(fates.every(({ outcome }) => outcome !== undefined)).toBe(true)
  const refused = millrace.publish(OrderPlaced, { orderId: 'c' })
  await expect(refused).rejects.toMatchObject({ code: 'publish_backpressure' })
  await letGo()
  hang()
  const again = [1, 2].map((n) => millrace.publish(OrderPlaced, { orderId: `again ${n}` }))
  await expect(millrace.publish(OrderPlaced, { orderId: 'c' })).rejects.toMatchObject({ code: 'publish_backpressure' })
  await letGo()
  expect(await settle(Promise.all(again))).toMatchObject([{ outcome: 'stored' }, { outcome: 'stored' }])
})

it('the diagnostics hear both: that the time was up, and the late answer', async () => {
  const { millrace, runtime, hang, letGo } = await hangingShop()
  const heard: [string, number][] = []
  const listen = (message: unknown): void => {
    const { outcome, count } = message as PublishDiagnosis
    heard.push([outcome, count])
  }
  channels.publish.subscribe(listen)
  try {
    hang()
    const fates = [1, 2, 3].map((n) => fateOf(millrace.publish(OrderPlaced, { orderId: String(n) })))
    await runtime.advance(10_000)
    expect(fates.every(({ outcome }) => outcome !== undefined)).toBe(true)
    expect(heard).toEqual([['unknown', 3]])
    await letGo()
    expect(heard).toEqual([
      ['unknown', 3],
      ['stored', 3],
    ])
  } finally {
    channels.publish.unsubscribe(listen)
  }
})

it('an engine that is slow but answers loses no patience of those in line', async () => {
  const { millrace, runtime, hang, letGo } = await hangingShop()
  const fates = Array.from({ length: 4_000 }, (_, n) => fateOf(millrace.publish(OrderPlaced, { orderId: String(n) })))
  hang()
  for (let turn = 0; turn < 4; turn += 1) {
    await runtime.advance(6_000)
    const gone = letGo()
    hang()
    await gone
  }
  await letGo()
  expect(fates.map(({ outcome }) => (outcome as { outcome: string }).outcome)).toEqual(fates.map(() => 'stored'))
})

it('the time for opening the engine is part of it', async () => {
  let open: () => void = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  const engine = changed(memory(), ({ transport }) => ({
    transport: {
      connect: async () => {
        await opened
        await transport.connect()
      },
      publish: () => new Promise(() => {}),
    },
  }))
  const { millrace, runtime } = openShop({ engine, publishTimeoutMs: 10_000 })
  const fate = fateOf(millrace.publish(OrderPlaced, { orderId: 'a' }))
  await runtime.advance(6_000)
  open()
  await runtime.advance(3_999)
  expect(fate.outcome).toBeUndefined()
  await runtime.advance(1)
  expect(fate.outcome).toMatchObject({ code: 'publish_unknown' })
})

it('an event of a transaction does not wait for ever for its store to open', async () => {
  const engine = changed(memory(), () => ({ transport: { connect: () => new Promise(() => {}) } }))
  const { millrace, runtime } = openShop({
    engine: {
      ...engine,
      open: (clock) => {
        const driver = engine.open(clock)
        const written = () => Promise.reject(new Error('written after all'))
        const outbox = { add: written } as unknown as NonNullable<typeof driver.stores.outbox>
        return { ...driver, stores: { ...driver.stores, outbox } }
      },
    },
    publishTimeoutMs: 10_000,
  })
  const fate = fateOf(millrace.publish(OrderPlaced, { orderId: 'a' }, { tx: {} }))
  await runtime.advance(10_000)
  expect(fate.outcome).toMatchObject({ code: 'engine_unreachable', retriable: true })
})
