import { afterEach, describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import type { Engine, Transport } from '../../src/driver.ts'
import { createEventClient, createMillrace, defineEvent, MillraceError } from '../../src/index.ts'
import { createMemoryEngine, memory } from '../../src/memory.ts'
import { until } from '../until.ts'

const OrderPlaced = defineEvent('order.placed', {
  schema: z.object({ orderId: z.string() }),
  key: (order) => order.orderId,
})
const QuoteReady = defineEvent('quote.ready', { schema: z.object({ price: z.number() }), topic: 'price-quotes' })

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()))
})

describe('the typed client', () => {
  it('has a method per definition and names the topics', async () => {
    const client = createEventClient({ OrderPlaced, QuoteReady }, { engine: memory() })
    open.push(client)
    expect(await client.publishOrderPlaced({ orderId: 'a' })).toMatchObject({ outcome: 'stored', topic: 'order' })
    expect(client.STREAMS).toEqual({ ORDER: 'order', PRICE_QUOTES: 'price-quotes' })
    expect(client.topics).toBe(client.STREAMS)
    expectTypeOf(client.publishQuoteReady).parameter(0).toEqualTypeOf<{ price: number }>()
    expectTypeOf(client.STREAMS.PRICE_QUOTES).toEqualTypeOf<'price-quotes'>()
    // @ts-expect-error -- no such definition
    expect(client.publishNothing).toBeUndefined()
    await expect(client.publishOrderPlaced({ orderId: 7 as never })).rejects.toMatchObject({
      code: 'event_schema_violation',
    })
  })

  it('waits for an event by topic, type and correlation, as a service would write it', async () => {
    const client = createEventClient({ OrderPlaced, QuoteReady }, { engine: memory() })
    open.push(client)
    await client.subscribe(OrderPlaced, async () => void (await client.publishQuoteReady({ price: 3 })), {
      group: 'quotes',
    })
    const placed = await client.publishOrderPlaced({ orderId: 'a' }, { correlationId: 'flow-1' })
    const after = placed.outcome === 'stored' ? placed.cursor : ''
    const quote = await client.waitForEvent(client.STREAMS.PRICE_QUOTES, 'quote.ready', 'flow-1', {
      timeout: 5_000,
      after,
    })
    expectTypeOf(quote.data).toEqualTypeOf<{ price: number }>()
    expect(quote.data.price).toBe(3)
    // @ts-expect-error -- it is published to another topic
    await expect(client.waitForEvent('order', 'quote.ready', 'flow-1')).rejects.toMatchObject({
      code: 'event_unknown_type',
    })
  })
})

describe('the spool', () => {
  it('fails with a typed error without one', async () => {
    const switchable = withSwitch(memory())
    const client = createEventClient({ OrderPlaced }, { engine: switchable.engine, publishTimeoutMs: 1_000 })
    open.push(client)
    await client.publishOrderPlaced({ orderId: 'a' })
    switchable.away = true
    await expect(client.publishOrderPlaced({ orderId: 'a' })).rejects.toMatchObject({ code: 'engine_unreachable' })
    switchable.away = false
  })

  it('keeps events while the engine is away and forwards them in order, with their ids, also after a restart', async () => {
    const server = createMemoryEngine()
    const disk = createMemoryEngine()
    const switchable = withSwitch(memory({ engine: server }))
    const options = {
      engine: switchable.engine,
      spool: memory({ engine: disk }),
      publishTimeoutMs: 1_000,
      onError: () => {},
    }
    const client = createEventClient({ OrderPlaced }, options)
    const first = await client.publishOrderPlaced({ orderId: 'a' })
    expect(first.outcome).toBe('stored')
    switchable.away = true
    const ids: string[] = [first.id]
    for (let n = 0; n < 6; n += 1) {
      const kept = await client.publishOrderPlaced({ orderId: 'a' })
      expect(kept.outcome).toBe('spooled')
      ids.push(kept.id)
    }
    expect(await client.spooled()).toBe(6)
    await client.close()
    switchable.away = false
    const next = createEventClient({ OrderPlaced }, options)
    open.push(next)
    ids.push((await next.publishOrderPlaced({ orderId: 'a' })).id)
    await until(async () => (await next.spooled()) === 0)
    const reader = createMillrace({ engine: memory({ engine: server }) })
    open.push(reader)
    await until(async () => (await reader.read({ limit: 100 })).events.length === 8)
    expect((await reader.read({ limit: 100 })).events.map(({ id }) => id)).toEqual(ids)
  })
})

/** An engine whose publishes are refused while `away`, as they are when a server cannot be reached. */
function withSwitch(engine: Engine): { readonly engine: Engine; away: boolean } {
  const state = { away: false }
  const switched: Engine = {
    name: engine.name,
    open(runtime) {
      const driver = engine.open(runtime)
      const transport: Transport = Object.create(driver.transport, {
        publish: {
          value: (...call: Parameters<Transport['publish']>) => {
            if (!state.away) return driver.transport.publish(...call)
            const error = new MillraceError('engine_unreachable', 'The engine is away.', { retriable: true })
            return Promise.resolve(call[0].map(() => ({ outcome: 'rejected', error })))
          },
        },
      })
      return { ...driver, transport }
    },
  }
  return Object.assign(state, { engine: switched })
}
