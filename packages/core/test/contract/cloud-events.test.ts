import {
  checkEvent,
  decodeBatch,
  decodeEvent,
  DEFAULT_LIMITS,
  encodeBatch,
  encodeEvent,
  encodeStored,
  eventDigest,
  isMillraceError,
  type EventMessage,
} from '@millrace/core/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arbitraryEvent, foreignEvent } from './arbitrary-event.ts'
import { failure } from './failure.ts'

const event: EventMessage = {
  id: '019c1b34-0000-7000-8000-000000000001',
  type: 'order.placed',
  version: '2',
  timestamp: '2026-01-31T12:00:00.000Z',
  source: '/shop',
  subject: 'orders/1',
  key: 'o-1',
  data: { orderId: 'o-1', total: 5 },
  metadata: {
    correlationId: 'c',
    causationId: 'p',
    userId: 'u',
    sessionId: 's',
    tenantId: 't',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'a=b',
    expiresAt: '2026-02-01T00:00:00.000Z',
    extensions: { zone: 'eu', hops: 2 },
  },
}
const attributes = {
  specversion: '1.0',
  id: '019c1b34-0000-7000-8000-000000000001',
  source: '/shop',
  type: 'order.placed',
  subject: 'orders/1',
  time: '2026-01-31T12:00:00.000Z',
  dataschema: 'millrace:order.placed/2',
  partitionkey: 'o-1',
  correlationid: 'c',
  causationid: 'p',
  userid: 'u',
  sessionid: 's',
  tenantid: 't',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'a=b',
  expirytime: '2026-02-01T00:00:00.000Z',
  hops: 2,
  zone: 'eu',
  datacontenttype: 'application/json',
  data: { orderId: 'o-1', total: 5 },
}
const least = { specversion: '1.0', id: 'i', source: '/s', type: 'order.placed' }

describe('encodeEvent', () => {
  it('writes every attribute, in this order', () => {
    expect(encodeEvent(event)).toBe(JSON.stringify(attributes))
  })

  it('bounds the bytes, not the characters', () => {
    const sized = (data: string): EventMessage => ({ ...event, data })
    const frame = encodeEvent(sized('')).length
    const room = DEFAULT_LIMITS.eventBytes - frame
    expect(encodeEvent(sized('x'.repeat(room)))).toHaveLength(DEFAULT_LIMITS.eventBytes)
    expect(failure(() => encodeEvent(sized('x'.repeat(room + 1))))).toMatchObject({
      code: 'limit_exceeded',
      path: 'data',
    })
    const emoji = '😀'.repeat(Math.floor(room / 4))
    expect(encodeEvent(sized(emoji)).length).toBeLessThan(DEFAULT_LIMITS.eventBytes)
    expect(failure(() => encodeEvent(sized(`${emoji}😀`)))).toMatchObject({ code: 'limit_exceeded' })
  })

  it('refuses data that cannot be written', () => {
    for (const data of [1n, () => 1, event.metadata && Object.assign([], { toJSON: () => undefined })]) {
      expect(failure(() => encodeEvent({ ...event, data }))).toMatchObject({ code: 'event_not_json' })
    }
  })
})

describe('decodeEvent', () => {
  it('reads what encodeEvent writes, as text and parsed, trusted and not', () => {
    const body = encodeEvent(event)
    for (const input of [body, JSON.parse(body) as object]) {
      expect(decodeEvent(input)).toEqual(event)
      expect(decodeEvent(input, { trusted: true })).toEqual(event)
    }
  })

  it('fills in what a foreign event leaves out', () => {
    expect(decodeEvent(JSON.stringify(least), { sessionId: 'mine', runtime: { now: () => 1_000 } })).toEqual({
      id: 'i',
      type: 'order.placed',
      version: '1',
      timestamp: '1970-01-01T00:00:01.000Z',
      source: '/s',
      data: undefined,
      metadata: { correlationId: 'i', sessionId: 'mine' },
    })
  })

  it('keeps foreign types, sources, schemas and extensions', () => {
    const foreign = {
      ...least,
      type: 'Order Placed!',
      source: 'urn:example:shop',
      dataschema: 'https://schemas.example/order/7',
      sampledrate: 30,
      sequence: '0001',
      flagged: true,
      data: null,
    }
    const decoded = decodeEvent(foreign)
    expect(decoded).toMatchObject({ type: 'Order Placed!', source: 'urn:example:shop', version: '1', data: null })
    expect(decoded.metadata.extensions).toEqual({
      dataschema: 'https://schemas.example/order/7',
      sampledrate: 30,
      sequence: '0001',
      flagged: true,
    })
    expect(JSON.parse(encodeEvent(decoded))).toMatchObject(foreign)
  })

  it('brings times to UTC and milliseconds', () => {
    const time = (given: string): string => decodeEvent({ ...least, time: given }).timestamp
    expect(time('2026-01-31T13:30:00.123456+01:30')).toBe('2026-01-31T12:00:00.123Z')
    expect(time('2026-01-31t12:00:00z')).toBe('2026-01-31T12:00:00.000Z')
    expect(time('2024-02-29T12:00:00.5Z')).toBe('2024-02-29T12:00:00.500Z')
    expect(time('2016-12-31T23:59:60Z')).toBe('2016-12-31T23:59:59.999Z')
    expect(time('0000-01-01T00:00:00Z')).toBe('0000-01-01T00:00:00.000Z')
  })

  it('reads bytes that are JSON as JSON, and keeps other bytes as they are', () => {
    const json = {
      ...least,
      datacontenttype: 'application/json',
      data_base64: Buffer.from('{"a":"é"}').toString('base64'),
    }
    expect(decodeEvent(json).data).toEqual({ a: 'é' })
    const png = { ...least, datacontenttype: 'image/png', data_base64: 'AAEC' }
    expect(decodeEvent(png)).toMatchObject({
      data: 'AAEC',
      metadata: { extensions: { data_base64: true, datacontenttype: 'image/png' } },
    })
    expect(JSON.parse(encodeEvent(decodeEvent(png)))).toMatchObject(png)
    const zstd = { ...png, datacontenttype: 'application/json', datacontentencoding: 'zstd' }
    expect(JSON.parse(encodeEvent(decodeEvent(zstd)))).toMatchObject(zstd)
  })

  it('counts null attributes as absent', () => {
    expect(
      decodeEvent({ ...least, subject: null, traceparent: null, mine: null, data_base64: null, data: 1 }),
    ).toMatchObject({ data: 1 })
  })

  it('leaves out what belongs to the engine', () => {
    const body = encodeStored(encodeEvent(event), {
      recordedAt: '2026-01-31T12:00:01.000Z',
      partition: 3,
      position: '0042',
    })
    expect(JSON.parse(body)).toEqual({
      ...attributes,
      recordedtime: '2026-01-31T12:00:01.000Z',
      partition: '3',
      position: '0042',
    })
    expect(decodeEvent(body)).toEqual(event)
  })

  it.each([
    ['specversion', { ...least, specversion: '0.3' }],
    ['specversion', { ...least, specversion: '2.0' }],
    ['specversion', { ...least, specversion: 1 }],
    ['specversion', { id: 'i', source: '/s', type: 't' }],
    ['id', { ...least, id: undefined }],
    ['id', { ...least, id: '' }],
    ['id', { ...least, id: 5 }],
    ['source', { ...least, source: null }],
    ['source', { ...least, source: 'not a uri' }],
    ['type', { specversion: '1.0', id: 'i', source: '/s' }],
    ['type', { ...least, type: 'a\u0000b' }],
    ['subject', { ...least, subject: '' }],
    ['time', { ...least, time: '2026-02-30T00:00:00Z' }],
    ['time', { ...least, time: '2023-02-29T00:00:00Z' }],
    ['time', { ...least, time: '2026-01-31T24:00:00Z' }],
    ['time', { ...least, time: '2026-01-31T12:00:00' }],
    ['time', { ...least, time: '2026-01-31' }],
    ['time', { ...least, time: '+275760-09-13T00:00:00.000Z' }],
    ['time', { ...least, time: '-000001-01-01T00:00:00.000Z' }],
    ['time', { ...least, time: '0000-01-01T00:00:00+01:00' }],
    ['time', { ...least, time: -1 }],
    ['expirytime', { ...least, expirytime: 'tomorrow' }],
    ['dataschema', { ...least, dataschema: 'millrace:order.placed/latest' }],
    ['dataschema', { ...least, dataschema: 'millrace:order.placed/0' }],
    ['dataschema', { ...least, dataschema: 'millrace:order.placed/-1' }],
    ['dataschema', { ...least, dataschema: 'millrace:order.placed/' }],
    ['dataschema', { ...least, dataschema: 'millrace:other.type/1' }],
    ['partitionkey', { ...least, partitionkey: {} }],
    ['partitionkey', { ...least, partitionkey: 'a\nb' }],
    ['correlationid', { ...least, correlationid: 'a\u0007' }],
    ['traceparent', { ...least, traceparent: 'garbage' }],
    ['traceparent', { ...least, traceparent: '00-00000000000000000000000000000000-b7ad6b7169203331-01' }],
    ['data_base64', { ...least, data: 1, data_base64: 'AAEC' }],
    ['data_base64', { ...least, data_base64: 'A' }],
    ['data_base64', { ...least, data_base64: 'AA\nC' }],
    ['data_base64', { ...least, data_base64: 5 }],
    ['data_base64', { ...least, data_base64: 'AAEC', datacontenttype: 'application/json' }],
    ['comExampleExtension', { ...least, comExampleExtension: 'x' }],
    ['com_example', { ...least, com_example: 'x' }],
    ['nested', { ...least, nested: { a: 1 } }],
    ['rate', { ...least, rate: 1.5 }],
    ['rate', { ...least, rate: 2 ** 31 }],
    ['__proto__', JSON.parse('{"specversion":"1.0","id":"i","source":"/s","type":"t","__proto__":"x"}') as object],
  ])('refuses, by its name, %s in %j', (path, raw) => {
    expect(failure(() => decodeEvent(raw))).toMatchObject({ code: 'event_malformed', path })
  })

  it.each(['', 'x', '[]', '1', 'null', '"text"', '{"a":1,}', '\ufeff{}', '{} {}', '// c\n{}'])(
    'refuses the text %j',
    (text) => {
      expect(failure(() => decodeEvent(text))).toMatchObject({ code: 'event_malformed' })
    },
  )

  it('refuses data that would not come back, and what is too large', () => {
    const body = (data: string): string => `{"specversion":"1.0","id":"i","source":"/s","type":"t","data":${data}}`
    expect(failure(() => decodeEvent(body('{"a":1e400}')))).toMatchObject({ code: 'event_not_json', path: 'data.a' })
    expect(failure(() => decodeEvent(body('{"a":"\\ud800"}')))).toMatchObject({
      code: 'event_not_json',
      path: 'data.a',
    })
    expect(failure(() => decodeEvent(body('{"a":{"__proto__":1}}')))).toMatchObject({ code: 'event_forbidden_key' })
    expect(failure(() => decodeEvent(body('['.repeat(65) + ']'.repeat(65))))).toMatchObject({ code: 'limit_exceeded' })
    expect(failure(() => decodeEvent(body('['.repeat(10_000) + ']'.repeat(10_000))))).toMatchObject({
      code: 'limit_exceeded',
    })
    expect(failure(() => decodeEvent(body(`"${'x'.repeat(1_000_000)}"`)))).toMatchObject({ code: 'limit_exceeded' })
    expect(failure(() => decodeEvent({ ...least, id: 'x'.repeat(257) }))).toMatchObject({
      code: 'limit_exceeded',
      path: 'id',
    })
    expect(failure(() => decodeEvent({ ...least, type: 'x'.repeat(201) }))).toMatchObject({
      code: 'limit_exceeded',
      path: 'type',
    })
    expect(failure(() => decodeEvent({ ...least, partitionkey: 'x'.repeat(257) }))).toMatchObject({
      code: 'limit_exceeded',
      path: 'partitionkey',
    })
  })

  it('reads numbers as JavaScript does: doubles', () => {
    const body = '{"specversion":"1.0","id":"i","source":"/s","type":"t","data":[9007199254740993,-0]}'
    expect(encodeEvent(decodeEvent(body))).toContain('"data":[9007199254740992,0]')
  })
})

describe('batches', () => {
  it('go both ways, and one bad item spoils no other', () => {
    const other = { ...event, id: 'other' }
    expect(decodeBatch(encodeBatch([event, other])).map((item) => item.event)).toEqual([event, other])
    const items = decodeBatch([least, { ...least, id: '' }, null, least])
    expect(items.map((item) => item.error?.code)).toEqual([undefined, 'event_malformed', 'event_malformed', undefined])
    expect(decodeBatch('[]')).toEqual([])
  })

  it.each([
    ['"\\ud800"', 'event_not_json'],
    ['"\ud800"', 'event_not_json'],
    ['{"\\udc00":1}', 'event_not_json'],
    ['{"a":{"__proto__":1}}', 'event_forbidden_key'],
    [`${'['.repeat(200)}${']'.repeat(200)}`, 'limit_exceeded'],
    ['-0', undefined],
    ['{"toJSON":1}', undefined],
  ])('are as strict as single events, with data such as %s', (data, code) => {
    const body = JSON.stringify(least).replace(/}$/, `,"data":${data}}`)
    const items = decodeBatch(`[${JSON.stringify(least)},${body}]`)
    expect(items.map((item) => item.error?.code)).toEqual([undefined, code])
    if (code === undefined) expect(items[1]?.event).toEqual(decodeEvent(body))
    else expect(items[1]?.error?.message).toBe(failure(() => decodeEvent(body)).message)
  })

  it('are bounded', () => {
    const small = { ...DEFAULT_LIMITS, batchEvents: 2, batchBytes: 400 }
    expect(failure(() => decodeBatch([least, least, least], { limits: small }))).toMatchObject({
      code: 'limit_exceeded',
    })
    expect(failure(() => encodeBatch([event, event], small))).toMatchObject({ code: 'limit_exceeded' })
    expect(failure(() => encodeBatch([event, event, event], small))).toMatchObject({ code: 'limit_exceeded' })
    expect(failure(() => decodeBatch(' '.repeat(401), { limits: small }))).toMatchObject({ code: 'limit_exceeded' })
    expect(failure(() => decodeBatch('{}'))).toMatchObject({ code: 'event_malformed' })
  })
})

describe('eventDigest', () => {
  const digest = (change: object): string => eventDigest(JSON.stringify({ ...attributes, ...change }))
  const own = eventDigest(encodeEvent(event))

  it('does not look at time, trace, session, place and the order of keys', () => {
    expect(
      digest({
        time: '2027-01-01T00:00:00Z',
        traceparent: null,
        sessionid: 'x',
        correlationid: 'y',
        recordedtime: 'z',
      }),
    ).toBe(own)
    expect(digest({ data: { total: 5, orderId: 'o-1' } })).toBe(own)
  })

  it.each([
    { id: 'x' },
    { type: 'order.paid', dataschema: 'millrace:order.paid/2' },
    { source: '/x' },
    { subject: 'x' },
    { subject: null },
    { partitionkey: 'x' },
    { partitionkey: null },
    { dataschema: 'millrace:order.placed/3' },
    { dataschema: 'https://x.example' },
    { data: { orderId: 'o-1', total: 6 } },
    { data: { orderId: 'o-1', total: '5' } },
    { data: null },
    { data: undefined },
    {
      data: [
        ['orderId', 'o-1'],
        ['total', 5],
      ],
    },
    { data: { 1: 5, orderId: 'o-1' } },
  ])('differs with %j', (change) => {
    expect(digest(change)).not.toBe(own)
  })

  it('tells nested order of keys apart from order in arrays, and keys like numbers', () => {
    expect(digest({ data: { b: 1, 2: 1, a: { d: [1, 2], c: 1 } } })).toBe(
      digest({ data: { a: { c: 1, d: [1, 2] }, 2: 1, b: 1 } }),
    )
    expect(digest({ data: { a: [1, 2] } })).not.toBe(digest({ data: { a: [2, 1] } }))
    expect(digest({ data: { pairs: [] } })).not.toBe(digest({ data: {} }))
  })
})

describe('properties', () => {
  it('an event comes back as it was', () => {
    fc.assert(
      fc.property(fc.oneof(arbitraryEvent, foreignEvent), (message) => {
        checkEvent(message)
        const body = encodeEvent(message)
        // Put together by hand, and byte for byte what JSON.stringify writes.
        expect(JSON.stringify(JSON.parse(body))).toBe(body)
        expect(decodeEvent(body)).toEqual(message)
        expect(encodeEvent(decodeEvent(body, { trusted: true }))).toBe(body)
        expect(eventDigest(body)).toBe(eventDigest(encodeEvent({ ...message, timestamp: '2026-01-01T00:00:00.000Z' })))
      }),
      { numRuns: 300 },
    )
  })

  it('decoding throws nothing but errors of ours, and what it lets through is sound', () => {
    const names = Object.keys(attributes).concat('data_base64', 'x', 'X', 'recordedtime', '__proto__')
    const hostile = fc.oneof(
      fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withObjectString: true }),
      fc
        .array(fc.tuple(fc.constantFrom(...names), fc.oneof(fc.string(), fc.anything())), { maxLength: 5 })
        .map((entries) => ({ ...least, ...Object.fromEntries(entries) })),
      fc.string(),
      fc.json(),
      fc.tuple(fc.nat(400), fc.string({ maxLength: 3 })).map(([at, text]) => {
        const body = encodeEvent(event)
        return body.slice(0, at) + text + body.slice(at + text.length)
      }),
      fc.constant(
        new Proxy(
          {},
          {
            get: () => {
              throw new Error('no')
            },
          },
        ),
      ),
    )
    let passed = 0
    fc.assert(
      fc.property(hostile, (input) => {
        let decoded: EventMessage
        try {
          decoded = decodeEvent(input as object)
        } catch (error) {
          if (!isMillraceError(error)) throw error
          return
        }
        passed += 1
        expect(decodeEvent(encodeEvent(decoded))).toEqual(decoded)
      }),
      { numRuns: 2_000 },
    )
    expect(passed).toBeGreaterThan(20)
  })
})
