import {
  checkEvent,
  decodeEvent,
  defineEvent,
  encodeEvent,
  eventDigest,
  topicOf,
  type CreateOptions,
  type EventMessage,
} from '@millrace/core/contract'
import { type } from 'arktype'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { failure } from './failure.ts'

// The numbers are the lines of the list of bad input that the product is measured by; each value must give a typed error.

const Anything = defineEvent('any.thing', { schema: z.unknown() })
const Loose = defineEvent('loose.thing', { schema: type({ '[string]': 'unknown' }) })
const Named = defineEvent('named.thing', { schema: z.object({ name: z.string() }) })
const codeOf = (data: unknown, options?: CreateOptions): string => failure(() => Anything.create(data, options)).code

describe('1: values that JSON does not have', () => {
  it.each([[() => 1], [Symbol('x')], [1n], [Number.NaN], [Number.POSITIVE_INFINITY], [-0], [[undefined]]])(
    '%s',
    (value) => {
      expect(codeOf({ value })).toBe('event_not_json')
    },
  )
  it('undefined and null where the schema wants data', () => {
    for (const data of [undefined, null])
      expect(failure(() => Named.create(data as never)).code).toBe('event_schema_violation')
    expect(Anything.create({ absent: undefined }).data).toEqual({})
  })
})

describe('2: objects that resist being read', () => {
  it('a circle', () => {
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    expect(codeOf(circle)).toBe('event_not_json')
    expect(codeOf([circle])).toBe('event_not_json')
  })
  it('a getter, a trap and a toJSON that throw', () => {
    const boom = (): never => {
      throw new Error('payload-secret')
    }
    const values = [
      Object.defineProperty({}, 'name', { get: boom, enumerable: true }),
      new Proxy({}, { ownKeys: boom, get: boom }),
      { name: 'x', toJSON: boom },
    ]
    for (const value of values) {
      for (const definition of [Anything, Loose]) {
        const error = failure(() => definition.create(value as never))
        expect(['event_not_json', 'event_schema_violation']).toContain(error.code)
        expect(error.message).not.toContain('secret')
      }
    }
  })
  it('a toJSON that gives undefined', () => {
    expect(codeOf({ toJSON: () => undefined })).toBe('event_not_json')
  })
})

it('3: what JSON would change', () => {
  const sparse: unknown[] = []
  sparse[2] = 1
  for (const value of [
    new Date(Number.NaN),
    new Map(),
    new Set(),
    Buffer.from('x'),
    new URL('https://x.example'),
    sparse,
  ]) {
    expect(codeOf({ value })).toBe('event_not_json')
    expect(failure(() => Loose.create({ value })).code).toBe('event_not_json')
  }
})

it('4: sizes in bytes', () => {
  const encoded = (data: unknown): string => encodeEvent(Anything.create(data, { id: 'i', sessionId: 's' }))
  const room = 256 * 1024 - encoded('').length
  expect(Buffer.byteLength(encoded('x'.repeat(room)))).toBe(256 * 1024)
  expect(Buffer.byteLength(encoded('😀'.repeat(Math.floor(room / 4))))).toBeLessThanOrEqual(256 * 1024)
  for (const data of ['x'.repeat(room + 1), '😀'.repeat(Math.floor(room / 4) + 1), 'x'.repeat(100_000_000)]) {
    expect(failure(() => encoded(data)).code).toBe('limit_exceeded')
  }
})

it('5: depth, keys and length', () => {
  let deep: unknown = 1
  for (let level = 0; level < 10_000; level += 1) deep = [deep]
  const wide = Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`k${at}`, at]))
  for (const data of [deep, wide, Array(10_000_000).fill(null)]) expect(codeOf(data)).toBe('limit_exceeded')
})

describe('6: dangerous names', () => {
  it.each(['__proto__', 'constructor', 'prototype'])('%s is refused', (name) => {
    for (const text of [`{"${name}":{"admin":true}}`, `{"a":[{"${name}":1}]}`]) {
      expect(codeOf(JSON.parse(text))).toBe('event_forbidden_key')
      expect(failure(() => decodeEvent(foreign({ data: JSON.parse(text) }))).code).toBe('event_forbidden_key')
    }
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })
  it('toString, hasOwnProperty and then are data, unless they are functions', () => {
    const data: unknown = JSON.parse('{"toString":1,"hasOwnProperty":2,"then":3}')
    expect(decodeEvent(encodeEvent(Anything.create(data))).data).toEqual(data)
    expect(codeOf(Object.fromEntries(['then'].map((name) => [name, () => {}])))).toBe('event_not_json')
  })
})

describe('7: text', () => {
  it('lone surrogates are refused, all else comes back', () => {
    expect(codeOf({ text: '\ud83d' })).toBe('event_not_json')
    for (const text of ['\u0000', '\u2028\u2029', '\u202eabc', `a${'\u0301'.repeat(1_000)}`]) {
      expect(decodeEvent(encodeEvent(Anything.create({ text }))).data).toEqual({ text })
    }
  })
  it('a key in composed form is another key than in decomposed form', () => {
    const [composed, decomposed] = ['é', 'e\u0301'].map(
      (key) => decodeEvent(encodeEvent(Anything.create(1, { key }))).key,
    )
    expect(composed).not.toBe(decomposed)
    for (const key of ['\u0000', '\ud800', '\uffff', '\u{1fffe}', '\ufdd0', '\u0085'])
      expect(codeOf(1, { key })).toBe('event_malformed')
  })
})

it('8: types and topics', () => {
  for (const name of [
    '',
    '.',
    '..',
    'a..b',
    '*',
    '>',
    '#',
    '$SYS.x',
    'x'.repeat(10_000),
    'a b',
    'a\r\nb',
    '/../',
    '%00',
  ]) {
    expect(failure(() => defineEvent(name, { schema: z.unknown() })).code).toBe('event_name_invalid')
    expect(failure(() => defineEvent('a.b', { schema: z.unknown(), topic: name })).code).toBe('event_name_invalid')
    expect(topicOf(name)).toMatch(/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/)
  }
})

it('9: ids', () => {
  for (const id of ['', 5, {}, null, 'a\nb'])
    expect(failure(() => Anything.create(1, { id: id as string })).code).toMatch(/^event_malformed$/)
  expect(codeOf(1, { id: 'x'.repeat(1_000_000) })).toBe('limit_exceeded')
  expect(failure(() => checkEvent({ ...Anything.create(1), id: undefined })).code).toBe('event_malformed')
})

it('10: keys', () => {
  for (const key of ['', {}, null, 5])
    expect(failure(() => Anything.create(1, { key: key as string })).code).toBe('event_malformed')
  expect(codeOf(1, { key: 'x'.repeat(1_000_000) })).toBe('limit_exceeded')
  expect(Anything.create(1)).not.toHaveProperty('key')
})

it('11: the same id with other content has another digest', () => {
  const [one, same, other] = [
    { a: 1, b: 2 },
    { b: 2, a: 1 },
    { a: 1, b: 3 },
  ].map((data) => eventDigest(encodeEvent(Anything.create(data, { id: 'i' }))))
  expect(one).toBe(same)
  expect(one).not.toBe(other)
})

it('12: numbers', () => {
  const data = (text: string): object =>
    decodeEvent(`{"specversion":"1.0","id":"i","source":"/s","type":"t","data":{"n":${text}}}`).data as object
  expect(data('9007199254740993')).toEqual({ n: 9007199254740992 })
  expect(failure(() => data('1e400'))).toMatchObject({ code: 'event_not_json', path: 'data.n' })
  const Priced = defineEvent('priced.thing', { schema: z.object({ n: z.number() }) })
  expect(failure(() => Priced.create({ n: '1e3' as unknown as number }))).toMatchObject({
    code: 'event_schema_violation',
    path: 'data.n',
  })
  expect(decodeEvent(encodeEvent(Priced.create({ n: 0.1 + 0.2 }))).data).toEqual({ n: 0.1 + 0.2 })
})

it('13: dates', () => {
  const stamp = (timestamp: string | Date): string => Anything.create(1, { timestamp }).timestamp
  for (const wrong of [
    '2023-02-29T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:00:00',
    '2026-01-01',
    'now',
    '',
    '-000001-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z',
    new Date(Number.NaN),
    new Date(8.64e15),
  ]) {
    expect(failure(() => stamp(wrong))).toMatchObject({ code: 'event_malformed', path: 'timestamp' })
  }
  expect(stamp('0000-01-01T00:00:00Z')).toBe('0000-01-01T00:00:00.000Z')
  expect(stamp(new Date(-1))).toBe('1969-12-31T23:59:59.999Z')
  expect(stamp('2038-01-19T03:14:08Z')).toBe('2038-01-19T03:14:08.000Z')
  expect(stamp('2024-02-29T00:00:00Z')).toBe('2024-02-29T00:00:00.000Z')
  expect(stamp('2016-12-31T23:59:60Z')).toBe('2016-12-31T23:59:59.999Z')
})

it('18: metadata and headers', () => {
  const many = Object.fromEntries(Array.from({ length: 10_001 }, (_, at) => [`x${at}`, 'v']))
  expect(codeOf(1, { extensions: many })).toBe('limit_exceeded')
  for (const extensions of [
    { 'a\r\nb': 'x' },
    { a: 'x\r\ny' },
    { a: {} },
    { A: 'x' },
    { 'content-length': '5' },
    { id: 'x' },
    { a: 1.5 },
    { a: 1n },
  ]) {
    expect(failure(() => Anything.create(1, { extensions: extensions as never })).code).toBe('event_malformed')
  }
  for (const traceparent of ['', 'x', '00-zz-b7ad6b7169203331-01', `ff-${'a'.repeat(32)}-${'b'.repeat(16)}-01`]) {
    expect(codeOf(1, { traceparent })).toBe('event_malformed')
  }
  for (const options of [{ userId: 'a\nb' }, { correlationId: '' }, { tenantId: 5 as unknown as string }])
    expect(codeOf(1, options)).toBe('event_malformed')
})

it('19 and 22: versions and upcasters', () => {
  const step = { schema: z.unknown(), up: (data: unknown): unknown => data }
  for (const version of [0, -1, 'latest']) {
    expect(failure(() => defineEvent('a.b', { schema: z.unknown(), version: version as number })).code).toBe(
      'event_definition_invalid',
    )
  }
  expect(
    failure(() => defineEvent('a.b', { schema: z.unknown(), version: 4, earlier: { 1: step, 3: step } })).code,
  ).toBe('event_definition_invalid')
  const Current = defineEvent('a.b', { schema: z.object({ name: z.string() }), version: 2, earlier: { 1: step } })
  for (const version of ['0', '-1', 'latest', '3'])
    expect(failure(() => Current.upcast({}, version)).code).toBe('event_unknown_version')
  expect(failure(() => Current.upcast({ title: 'the field was renamed' }, '1')).code).toBe('event_upcast_failed')
})

it('21: what is stored is what the validator gave', () => {
  const Coerced = defineEvent('coerced.thing', { schema: z.object({ n: z.coerce.number() }) })
  const event = Coerced.create({ n: '0' })
  expect(decodeEvent(encodeEvent(event)).data).toEqual(event.data)
  expect(event.data).toEqual({ n: 0 })
})

it('41: CloudEvents', () => {
  const wrong = [
    ...['id', 'source', 'type', 'specversion'].map((name) => foreign({ [name]: undefined })),
    foreign({ specversion: '0.3' }),
    foreign({ specversion: '2.0' }),
    foreign({ data: 1, data_base64: 'AAEC' }),
    foreign({ data_base64: '!' }),
    foreign({ Upper: 'x' }),
  ]
  for (const event of wrong) expect(failure(() => decodeEvent(event)).code).toBe('event_malformed')
})

it('a message that was made by hand is checked as strictly', () => {
  const sound: EventMessage = Anything.create({ a: 1 }, { key: 'k' })
  checkEvent(sound)
  const wrong: readonly unknown[] = [
    undefined,
    null,
    'x',
    [],
    {},
    { ...sound, type: '' },
    { ...sound, type: 5 },
    { ...sound, source: '' },
    { ...sound, source: 'a b' },
    { ...sound, version: 1 },
    { ...sound, version: '0' },
    { ...sound, timestamp: '2026-01-31T13:00:00+01:00' },
    { ...sound, timestamp: '","id":"forged' },
    { ...sound, metadata: undefined },
    { ...sound, metadata: { correlationId: 'c' } },
    { ...sound, key: '' },
    { ...sound, subject: '' },
  ]
  for (const event of wrong) expect(failure(() => checkEvent(event)).code).toBe('event_malformed')
  expect(failure(() => checkEvent({ ...sound, data: new Map() })).code).toBe('event_not_json')
})

function foreign(attributes: Readonly<Record<string, unknown>>): object {
  return { specversion: '1.0', id: 'i', source: '/s', type: 'order.placed', ...attributes }
}
