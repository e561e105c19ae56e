import { checkJson, DEFAULT_LIMITS } from '@millrace/core/contract'
import fc from 'fast-check'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { isPlainCopy } from '../../src/contract/plain-copy.ts'
import { isSameJson } from '../../src/contract/validate-data.ts'
import { createMillrace, defineEvent } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { failure } from './failure.ts'

class Money {
  readonly amount = 5
}
const holes: unknown[] = []
holes[1] = 2
const circular: Record<string, unknown> = { a: [] }
circular['a'] = [{ back: circular }]
const throwing = {
  get secret(): string {
    throw new Error('no')
  },
}
const ownKeysTrap = new Proxy(
  {},
  {
    ownKeys() {
      throw new Error('no')
    },
  },
)
const revoked = Proxy.revocable({}, {})
revoked.revoke()

/** Values that are refused, and where. */
const LOST: readonly (readonly [name: string, value: unknown, path: string])[] = [
  ['a function', { a: { b: () => 1 } }, 'data.a.b'],
  ['a then function', Object.fromEntries(['then'].map((name) => [name, () => 1])), 'data.then'],
  ['a symbol', { a: [Symbol('x')] }, 'data.a[0]'],
  ['a BigInt', { a: 1n }, 'data.a'],
  ['NaN', { a: [0, Number.NaN] }, 'data.a[1]'],
  ['Infinity', { a: Number.POSITIVE_INFINITY }, 'data.a'],
  ['-0', { a: -0 }, 'data.a'],
  ['undefined in an array', { a: [undefined] }, 'data.a[0]'],
  ['a hole', { a: holes }, 'data.a'],
  ['an array with a name', { a: Object.assign([1], { index: 0 }) }, 'data.a'],
  ['a Date', { a: new Date(0) }, 'data.a'],
  ['an invalid Date', { a: new Date(Number.NaN) }, 'data.a'],
  ['a Map', { a: new Map() }, 'data.a'],
  ['a Set', { a: new Set() }, 'data.a'],
  ['a Buffer', { a: Buffer.from('x') }, 'data.a'],
  ['a typed array', { a: new Float64Array(1) }, 'data.a'],
  ['a RegExp', { a: /x/ }, 'data.a'],
  ['an Error', { a: new Error('x') }, 'data.a'],
  ['a boxed number', { a: Object(5) as unknown }, 'data.a'],
  ['a class instance', { 'a b': new Money() }, 'data["a b"]'],
  ['a cycle', circular, 'data.a'],
  ['a getter that throws', { x: throwing }, 'data.x.secret'],
  ['a Proxy whose trap throws', { x: ownKeysTrap }, 'data.x'],
  ['a revoked Proxy', { x: revoked.proxy }, 'data.x'],
  ['toJSON', { a: { toJSON: () => 1 } }, 'data.a'],
  ['a hidden toJSON', { a: Object.defineProperty({}, 'toJSON', { value: () => undefined }) }, 'data.a'],
  ['an array with a hidden toJSON', { a: Object.defineProperty([1], 'toJSON', { value: () => 1 }) }, 'data.a'],
  ['a symbol key', { a: { [Symbol('x')]: 1 } }, 'data.a'],
  ['a lone surrogate', { a: 'x\ud800' }, 'data.a'],
  ['a lone surrogate in a key', { '\udc00': 1 }, 'data'],
  ['the root', new Map(), 'data'],
  ['a root symbol', Symbol('x'), 'data'],
]

describe('what JSON would lose or change', () => {
  it.each(LOST)('refuses %s', (_name, value, path) => {
    const error = failure(() => checkJson(value))
    expect(error.code).toBe('event_not_json')
    expect(error.path?.startsWith(path)).toBe(true)
    expect(error.message).toContain(path)
  })

  it.each(['__proto__', 'constructor', 'prototype'])('refuses the key %s, at the top and nested', (key) => {
    for (const text of [`{"${key}":1}`, `{"a":[{"${key}":{}}]}`]) {
      for (const origin of ['program', 'wire', 'text', 'clean-text'] as const) {
        expect(failure(() => checkJson(JSON.parse(text), { origin }))).toMatchObject({ code: 'event_forbidden_key' })
      }
    }
  })

  it('takes what comes back unchanged', () => {
    const shared = { x: 1 }
    for (const value of [
      null,
      undefined,
      0,
      '',
      { absent: undefined },
      { a: shared, b: shared },
      JSON.parse('{"toString":1,"hasOwnProperty":2,"then":"x","toJSON":"x"}'),
      Object.create(null) as unknown,
      runInNewContext('({ a: [1] })') as unknown,
      ' \u2028\u202e😀é é',
      [[[]]],
    ]) {
      checkJson(value)
    }
  })
})

describe('bounds', () => {
  const nested = (depth: number, array: boolean): unknown => {
    let value: unknown = 1
    for (let level = 0; level < depth; level += 1) value = array ? [value] : { a: value }
    return value
  }

  it.each([true, false])('takes depth 64 and refuses 65 and 10,000 (arrays: %s)', (array) => {
    checkJson(nested(64, array))
    for (const depth of [65, 10_000])
      expect(failure(() => checkJson(nested(depth, array)))).toMatchObject({
        code: 'limit_exceeded',
        facts: { limit: 64 },
      })
  })

  it('takes 10,000 keys and refuses 10,001, on all levels together', () => {
    const keys = (count: number): unknown => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, 1]))
    checkJson(keys(10_000))
    expect(failure(() => checkJson(keys(10_001)))).toMatchObject({ code: 'limit_exceeded' })
    expect(failure(() => checkJson({ a: keys(5_000), b: [keys(4_999)] }))).toMatchObject({ code: 'limit_exceeded' })
    expect(failure(() => checkJson(keys(1_000_000)))).toMatchObject({ code: 'limit_exceeded' })
  })

  it('stops at the bound of the event', () => {
    expect(failure(() => checkJson(Array(10_000_000).fill(null)))).toMatchObject({ code: 'limit_exceeded' })
    expect(failure(() => checkJson('x'.repeat(100_000_000)))).toMatchObject({ code: 'limit_exceeded' })
    let wide: unknown = [1, 1]
    for (let level = 0; level < 40; level += 1) wide = [wide, wide]
    expect(failure(() => checkJson(wide))).toMatchObject({ code: 'limit_exceeded' })
    expect(
      failure(() => checkJson({ a: 'xxxxxxxxxxxxxxxxxxxxxxxx' }, { bounds: { ...DEFAULT_LIMITS, eventBytes: 10 } })),
    ).toMatchObject({ path: 'data.a' })
  })
})

describe('the quick look', () => {
  const isCertain = (output: unknown, input: unknown): boolean => isPlainCopy(output, input, DEFAULT_LIMITS, true)

  it.each(LOST)('is not certain of %s', (_name, value) => {
    expect(isCertain(value, value)).toBe(false)
  })

  it('is certain of what almost all data is, made anew or not, and of nothing else that is the same', () => {
    const order = { id: 'a', total: 1.5, paid: true, note: null, items: [{ sku: 'x' }, []], absent: undefined }
    expect(isCertain(order, order)).toBe(true)
    expect(isCertain(structuredClone(order), order)).toBe(true)
    for (const other of [{ ...order, more: 1 }, { ...order, id: 'b' }, { ...order, items: [{ sku: 'x' }] }, [], null])
      expect(isCertain(structuredClone(order), other)).toBe(false)
    expect(isCertain({ 0: 'a' }, ['a'])).toBe(false)
  })

  it('does not ask what a schema has made for symbols, of which nothing can have come from the publisher', () => {
    expect(isCertain({ a: 1, [Symbol('x')]: 1 }, { a: 1 })).toBe(true)
    expect(isCertain({ a: new Date(0) }, { a: new Date(0) })).toBe(false)
  })

  it('stops at the bounds', () => {
    let wide: unknown = [1, 1]
    for (let level = 0; level < 40; level += 1) wide = [wide, wide]
    expect(isCertain(wide, wide)).toBe(false)
    const nulls = Array(10_000_000).fill(null)
    expect(isCertain(nulls, nulls)).toBe(false)
    const most = Array(DEFAULT_LIMITS.eventBytes / 2).fill(null)
    expect(isCertain(most, most)).toBe(false)
    const long = 'x'.repeat(10_000_000)
    expect(isCertain(long, long)).toBe(false)
    const many = Object.fromEntries(Array.from({ length: 10_001 }, (_, at) => [`k${at}`, 1]))
    expect(isCertain(many, many)).toBe(false)
    let deep: unknown = 1
    for (let level = 0; level < 65; level += 1) deep = [deep]
    expect(isCertain(deep, deep)).toBe(false)
  })

  it('is certain only of what the slow look passes', () => {
    let certain = 0
    fc.assert(
      fc.property(ANYTHING, ANYTHING, fc.boolean(), (value, other, anew) => {
        for (const output of [value, copyOf(value)]) {
          if (!isCertain(output, anew ? value : output)) continue
          certain += 1
          checkJson(output)
          expect(JSON.parse(JSON.stringify(output))).toEqual(output)
        }
        expect(isCertain(value, other) && !isSameJson(value, other)).toBe(false)
      }),
      { numRuns: 2_000 },
    )
    expect(certain).toBeGreaterThan(100)
  })

  it('finds lone surrogates in what is written, and takes texts that only look like them', async () => {
    const Note = defineEvent('note.taken', {
      schema: { '~standard': { version: 1, vendor: 'test', validate: asItIs } },
    })
    await using millrace = createMillrace({ name: 'notes', engine: memory() })
    for (const data of [{ a: ['x\ud800'] }, { '\udc00': 1 }, 'x\ude00'])
      await expect(millrace.publish(Note, data)).rejects.toMatchObject({ code: 'event_not_json' })
    await expect(millrace.publish(Note, { a: ['x\ud800'] })).rejects.toMatchObject({ path: 'data.a[0]' })
    for (const data of ['\\ud800', '\\\\ud83d', '\u{1f600}', '\\']) {
      const { id } = await millrace.publish(Note, data)
      expect((await millrace.find(id))[0]?.data).toBe(data)
    }
  })
})

function asItIs(value: unknown): { readonly value: unknown } {
  return { value }
}

/** The same once more, where it can be had. */
function copyOf(value: unknown): unknown {
  try {
    return structuredClone(value)
  } catch {
    return value
  }
}

const ANYTHING = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withNullPrototype: true,
  withObjectString: true,
  withSparseArray: true,
  withTypedArray: true,
  stringUnit: 'binary',
})

describe('properties', () => {
  it('whatever passes comes back from JSON as it was', () => {
    let passed = 0
    fc.assert(
      fc.property(ANYTHING, (value) => {
        try {
          checkJson(value)
        } catch {
          return
        }
        passed += 1
        if (value !== undefined) expect(JSON.parse(JSON.stringify(value))).toEqual(value)
      }),
      { numRuns: 2_000 },
    )
    expect(passed).toBeGreaterThan(100)
  })

  it('whatever JSON text holds passes, but for poisonous keys, whatever the origin is said to be', () => {
    fc.assert(
      fc.property(
        fc.json({ stringUnit: 'grapheme' }),
        fc.constantFrom('wire', 'text', 'clean-text'),
        (text, origin) => {
          if (/__proto__|constructor|prototype/.test(text)) return
          checkJson(JSON.parse(text), { origin: origin as 'text' })
        },
      ),
    )
  })
})
