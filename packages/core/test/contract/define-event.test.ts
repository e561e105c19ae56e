import { createCatalog, createEvent, DEFAULT_LIMITS, defineEvent, type EventMessage } from '@millrace/core/contract'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { failure } from './failure.ts'

const runtime = { now: () => Date.UTC(2026, 0, 31, 12), id: () => '019c1b34-0000-7000-8000-000000000001' }
const schema = z.object({ orderId: z.string(), total: z.number() })
const OrderPlaced = defineEvent('order.placed', { schema, key: (data) => data.orderId, runtime })

describe('create', () => {
  it('gives the whole message', () => {
    expect(OrderPlaced.create({ orderId: 'o-1', total: 5 })).toEqual({
      id: runtime.id(),
      type: 'order.placed',
      version: '1',
      timestamp: '2026-01-31T12:00:00.000Z',
      source: '/app',
      key: 'o-1',
      data: { orderId: 'o-1', total: 5 },
      metadata: { correlationId: runtime.id(), sessionId: `instance:${runtime.id()}` },
    })
  })

  it('takes what the options give before what the definition computes', () => {
    const event = OrderPlaced.create(
      { orderId: 'o-1', total: 5 },
      {
        id: 'i',
        source: 'https://shop.example',
        subject: 's',
        key: 'k',
        timestamp: new Date(0),
        correlationId: 'c',
        causationId: 'p',
        userId: 'u',
        sessionId: 'se',
        tenantId: 't',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        tracestate: 'a=b',
        expiresAt: '2026-02-01T01:00:00+01:00',
        extensions: { priority: 3 },
      },
    )
    expect(event).toMatchObject({
      id: 'i',
      source: 'https://shop.example',
      subject: 's',
      key: 'k',
      timestamp: '1970-01-01T00:00:00.000Z',
    })
    expect(event.metadata).toEqual({
      correlationId: 'c',
      causationId: 'p',
      userId: 'u',
      sessionId: 'se',
      tenantId: 't',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'a=b',
      expiresAt: '2026-02-01T00:00:00.000Z',
      extensions: { priority: 3 },
    })
  })

  it('continues the flow of the event being handled', () => {
    const cause: EventMessage = OrderPlaced.create(
      { orderId: 'o-1', total: 5 },
      {
        id: 'cause',
        correlationId: 'flow',
        sessionId: 's',
        userId: 'u',
        tenantId: 't',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        tracestate: 'a=b',
      },
    )
    const context = { runtime, source: '/shop', sessionId: 'mine', limits: DEFAULT_LIMITS, inherit: cause }
    const event = createEvent(OrderPlaced, { orderId: 'o-2', total: 1 }, {}, context)
    expect(event.metadata).toEqual({ ...cause.metadata, causationId: 'cause' })
    expect(event.source).toBe('/shop')
    const ownTrace = createEvent(
      OrderPlaced,
      { orderId: 'o-2', total: 1 },
      { traceparent: '00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
      context,
    )
    expect(ownTrace.metadata.tracestate).toBeUndefined()
  })

  it('stores the output of the schema, defaults and transforms included', () => {
    const Coerced = defineEvent('order.coerced', {
      schema: z.object({ total: z.coerce.number(), currency: z.string().default('EUR') }),
    })
    expect(Coerced.create({ total: '12' }).data).toEqual({ total: 12, currency: 'EUR' })
  })

  it('refuses a transform whose output is no JSON, with its path', () => {
    const Dated = defineEvent('order.dated', {
      schema: z.object({ at: z.string().transform((text) => new Date(text)) }),
    })
    expect(failure(() => Dated.create({ at: '2026-01-01' }))).toMatchObject({ code: 'event_not_json', path: 'data.at' })
  })

  it('refuses a transform whose output the schema does not accept', () => {
    const Length = defineEvent('text.measured', {
      schema: z.object({ text: z.string().transform((text) => text.length) }),
    })
    expect(failure(() => Length.create({ text: 'abc' }))).toMatchObject({
      code: 'event_schema_violation',
      path: 'data.text',
    })
  })

  it.each([
    ['zod', z.object({ items: z.array(z.object({ price: z.number() })) })],
    ['valibot', v.object({ items: v.array(v.object({ price: v.number() })) })],
    ['arktype', type({ items: type({ price: 'number' }).array() })],
  ])('tells the path of a violation (%s)', (_name, itemsSchema) => {
    const Basket = defineEvent('basket.filled', { schema: itemsSchema })
    expect(Basket.create({ items: [{ price: 1 }] }).data).toEqual({ items: [{ price: 1 }] })
    const wrong = { items: [{ price: 1 }, { price: 'secret' }] } as unknown as { items: { price: number }[] }
    expect(failure(() => Basket.create(wrong))).toMatchObject({
      code: 'event_schema_violation',
      path: 'data.items[1].price',
    })
  })

  it.each([
    ['zod', z.object({ a: z.enum(['x']), b: z.number() })],
    ['valibot', v.object({ a: v.picklist(['x']), b: v.number() })],
    ['arktype', type({ a: "'x'", b: 'number' })],
    [
      'own text',
      z.object({ a: z.string().refine(() => false, { error: (issue) => `no ${String(issue.input)}` }), b: z.number() }),
    ],
  ])('keeps the values out of the message (%s)', (_name, strict) => {
    const Strict = defineEvent('strict.event', { schema: strict })
    for (const secret of ['hunter2', 'a "quoted"\nsecret hunter2', { hunter2: ['hunter2'] }]) {
      const { message, path } = failure(() => Strict.create({ a: secret, b: secret } as never))
      expect(message).not.toContain('hunter2')
      expect(path).toBe('data.a')
    }
    const { message } = failure(() => Strict.create({ a: 'x', b: 'hunter2' } as never))
    expect(message).toMatch(/data\.[ab]: .{5,}/)
  })

  it.each([
    ['zod', z.object({ a: z.string().refine(async () => true) })],
    ['valibot', v.objectAsync({ a: v.string() })],
  ])('refuses an asynchronous schema (%s)', (_name, asyncSchema) => {
    const Slow = defineEvent('slow.event', { schema: asyncSchema })
    expect(failure(() => Slow.create({ a: 'x' }))).toMatchObject({ code: 'event_definition_invalid', path: 'schema' })
  })

  it.each([
    ['number', () => 5 as unknown as string, 'event_malformed'],
    ['empty', () => '', 'event_malformed'],
    ['control', () => 'a\nb', 'event_malformed'],
    ['257 bytes', () => 'x'.repeat(257), 'limit_exceeded'],
    ['260 bytes in 65 characters', () => '😀'.repeat(65), 'limit_exceeded'],
  ])('refuses a key that is %s', (_name, key, code) => {
    const Keyed = defineEvent('order.keyed', { schema: z.object({}), key })
    expect(failure(() => Keyed.create({}))).toMatchObject({ code, path: 'key' })
  })

  it('takes a key of exactly 256 bytes', () => {
    const Keyed = defineEvent('order.keyed', { schema: z.object({}), key: () => '😀'.repeat(64) })
    expect(Keyed.create({}).key).toHaveLength(128)
  })

  it('takes an event without data', () => {
    const Started = defineEvent('system.started', { schema: z.undefined() })
    expect(Started.create(undefined).data).toBeUndefined()
  })
})

describe('versions', () => {
  const V1 = z.object({ orderId: z.string() })
  const V2 = z.object({ orderId: z.string(), total: z.number() })
  const V3 = z.object({ orderId: z.string(), total: z.number(), currency: z.string() })
  const Order = defineEvent('order.placed', {
    version: 3,
    schema: V3,
    earlier: {
      1: { schema: V1, up: (data) => ({ ...data, total: 0 }) },
      2: { schema: V2, up: (data) => ({ ...data, currency: 'EUR' }) },
    },
  })

  it('brings every stored version to the latest', () => {
    expect(Order.earlierVersions).toEqual([1, 2])
    expect(Order.upcast({ orderId: 'a' }, '1')).toEqual({ orderId: 'a', total: 0, currency: 'EUR' })
    expect(Order.upcast({ orderId: 'a', total: 4 }, '2')).toEqual({ orderId: 'a', total: 4, currency: 'EUR' })
    const latest = { orderId: 'a', total: 4, currency: 'USD' }
    expect(Order.upcast(latest, '3')).toBe(latest)
  })

  it.each(['4', '0', '-1', '1.5', 'latest', '', '01', '1e0'])('does not know version "%s"', (version) => {
    expect(failure(() => Order.upcast({}, version))).toMatchObject({ code: 'event_unknown_version', path: 'version' })
  })

  it('keeps what an upcaster throws as the cause', () => {
    const cause = new Error('boom')
    const Failing = defineEvent('a.b', {
      version: 2,
      schema: V1,
      earlier: {
        1: {
          schema: V1,
          up: () => {
            throw cause
          },
        },
      },
    })
    expect(failure(() => Failing.upcast({ orderId: 'a' }, '1'))).toMatchObject({ code: 'event_upcast_failed', cause })
  })

  it('refuses stored data that does not fit its version, and upcast data that does not fit the next', () => {
    expect(failure(() => Order.upcast({ orderId: 5 }, '1'))).toMatchObject({
      code: 'event_upcast_failed',
      path: 'data.orderId',
      facts: { version: 1 },
    })
    const Forgetful = defineEvent('a.b', { version: 2, schema: V2, earlier: { 1: { schema: V1, up: (data) => data } } })
    expect(failure(() => Forgetful.upcast({ orderId: 'a' }, '1'))).toMatchObject({
      code: 'event_upcast_failed',
      path: 'data.total',
      facts: { version: 2 },
    })
  })

  it('may leave old versions behind, and says so', () => {
    const Late = defineEvent('a.b', {
      version: 3,
      schema: V3,
      earlier: { 2: { schema: V2, up: (data) => ({ ...data, currency: 'EUR' }) } },
    })
    expect(failure(() => Late.upcast({ orderId: 'a' }, '1'))).toMatchObject({ code: 'event_unknown_version' })
  })

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 'latest', '2', null])(
    'refuses the version %s',
    (version) => {
      expect(failure(() => defineEvent('a.b', { schema, version: version as number }))).toMatchObject({
        code: 'event_definition_invalid',
        path: 'version',
      })
    },
  )

  const step = { schema: V1, up: (data: unknown) => data }
  it.each([
    ['a gap', 4, { 1: step, 3: step }, 'earlier.2'],
    ['no step to the latest', 3, { 1: step }, 'earlier.2'],
    ['the latest itself', 2, { 1: step, 2: step }, 'earlier.2'],
    ['a newer one', 1, { 2: step }, 'earlier.2'],
    ['version 0', 2, { 0: step, 1: step }, 'earlier'],
    ['a step without up', 2, { 1: { schema: V1 } }, 'earlier.1'],
    ['a step without schema', 2, { 1: { schema: {}, up: step.up } }, 'earlier.1.schema'],
  ])('refuses earlier versions with %s', (_name, version, earlier, path) => {
    expect(failure(() => defineEvent('a.b', { schema, version, earlier: earlier as never }))).toMatchObject({
      code: 'event_definition_invalid',
      path,
    })
  })
})

describe('defineEvent', () => {
  it('names the topic after the first segment, or as told', () => {
    expect(OrderPlaced.topic).toBe('order')
    expect(defineEvent('order.placed', { schema, topic: 'shop.orders' }).topic).toBe('shop.orders')
    expect(failure(() => defineEvent('order.placed', { schema, topic: 'Shop' }))).toMatchObject({
      code: 'event_name_invalid',
      path: 'topic',
    })
  })

  it.each([undefined, null, {}, { '~standard': {} }, () => true])('refuses %s as a schema', (wrong) => {
    expect(failure(() => defineEvent('a.b', { schema: wrong as never }))).toMatchObject({
      code: 'event_definition_invalid',
      path: 'schema',
    })
  })

  it.each(['orderId', async () => 'k'])('refuses a key that is no function, or one that answers later', (key) => {
    expect(failure(() => defineEvent('a.b', { schema, key: key as never }))).toMatchObject({
      code: 'event_definition_invalid',
      path: 'key',
    })
  })
})

describe('createCatalog', () => {
  it('lists definitions and refuses a second one of a type', () => {
    const catalog = createCatalog([OrderPlaced])
    catalog.add(OrderPlaced)
    expect(catalog.get('order.placed')).toBe(OrderPlaced)
    expect(catalog.get('toString')).toBeUndefined()
    expect(catalog.list()).toEqual([OrderPlaced])
    expect(failure(() => catalog.add(defineEvent('order.placed', { schema })))).toMatchObject({
      code: 'event_duplicate_definition',
    })
  })
})
