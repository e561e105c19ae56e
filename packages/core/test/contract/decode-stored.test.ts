import { decodeEvent, encodeEvent, isMillraceError, type EventMessage } from '@millrace/core/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeStored, outlineOf } from '../../src/contract/decode-stored.ts'
import { arbitraryEvent, foreignEvent } from './arbitrary-event.ts'

const placed: EventMessage = {
  id: 'a-1',
  type: 'order.placed',
  version: '2',
  timestamp: '2026-01-01T00:00:00.000Z',
  source: '/shop',
  key: 'order-1',
  data: { total: 1.5, note: ',"datacontenttype":"application/json","data":' },
  metadata: { correlationId: 'a-1', sessionId: 'instance:x' },
}

/** What decoding gives, or the code of its failure. */
function outcomeOf(decode: () => EventMessage): EventMessage | string {
  try {
    return decode()
  } catch (error) {
    return isMillraceError(error) ? error.code : String(error)
  }
}

/** Both ways, of a body as it is stored, or as somebody has changed it. */
function expectTheSame({ id, type, key }: EventMessage, body: string): void {
  // Strings out of a database are not put together of pieces.
  const text = Buffer.from(body).toString()
  const options = text.includes('"__proto__"') ? {} : { trusted: true }
  expect(outcomeOf(() => decodeStored(text, { id, type, key }))).toEqual(outcomeOf(() => decodeEvent(text, options)))
}

describe('reading what is stored', () => {
  it('gives what decoding gives, of events that differ in anything', () => {
    const event = fc.oneof({ weight: 4, arbitrary: arbitraryEvent }, foreignEvent)
    fc.assert(
      fc.property(
        event,
        fc.array(fc.tuple(event, fc.integer({ min: 0, max: 255 })), { maxLength: 12 }),
        (first, others) => {
          expectTheSame(first, encodeEvent(first))
          for (const [other, taken] of others) {
            const { data, metadata, ...rest } = first
            const parts = [['id'], ['type', 'version'], ['source'], ['subject'], ['key'], ['timestamp']] as const
            const mixed = { ...rest, data, metadata: (taken & 64) === 0 ? metadata : other.metadata }
            if ((taken & 128) !== 0) Object.assign(mixed, { data: other.data, metadata: other.metadata })
            parts.forEach((names, at) => {
              if ((taken & (1 << at)) === 0) return
              for (const name of names) Object.assign(mixed, { [name]: other[name] })
            })
            expectTheSame(mixed, encodeEvent(mixed))
          }
        },
      ),
      { numRuns: 200 },
    )
  })

  it('tells of an envelope what decoding tells, or nothing', () => {
    const event = fc.oneof(arbitraryEvent, foreignEvent)
    fc.assert(
      fc.property(event, event, (first, second) => {
        for (const { data, metadata } of [first, second, first]) {
          const { id, type, key, version } = first
          const body = encodeEvent({ ...first, data, metadata })
          const outline = outlineOf(body, { id, type, key })
          expect([undefined, { type, version, extensions: metadata.extensions }]).toContainEqual(outline)
          decodeStored(body, { id, type, key })
        }
      }),
    )
  })

  it('tells the envelope of an event like one that was read, without a look at its data', () => {
    const type = 'order.outlined'
    decodeStored(encodeEvent({ ...placed, type }), { id: 'a-1', type, key: 'order-1' })
    const next = encodeEvent({ ...placed, type, id: 'a-2', data: 'x'.repeat(10_000) })
    expect(outlineOf(next.replace('"xxx', '?'), { id: 'a-2', type, key: 'order-1' })).toMatchObject({ version: '2' })
  })

  it('gives what decoding gives, or its error, of a body that somebody has changed', () => {
    const body = encodeEvent(placed)
    const changed = fc.tuple(
      fc.integer({ min: 0, max: body.length }),
      fc.integer({ min: 0, max: 3 }),
      fc.constantFrom(
        '',
        '"',
        '\\',
        '{',
        '}',
        ',',
        'x',
        '\n',
        ' ',
        '"__proto__":1,',
        ',"datacontenttype":"application/json","data":',
      ),
    )
    fc.assert(
      fc.property(changed, ([at, left, inserted]) => {
        expectTheSame(placed, body)
        expectTheSame(placed, `${body.slice(0, at)}${inserted}${body.slice(at + left)}`)
      }),
      { numRuns: 1_000 },
    )
  })

  it('does not take what the engine says for what the body says', () => {
    const body = encodeEvent(placed)
    for (const known of [{ id: 'b-1' }, { type: 'order.other' }, { key: 'order-2' }, { key: undefined }])
      expect(decodeStored(body, { id: 'a-1', type: 'order.placed', key: 'order-1', ...known })).toEqual(placed)
  })

  it('refuses a name that poisons, as decoding does, also in an event like the one before', () => {
    const body = encodeEvent(placed)
    expectTheSame(placed, body)
    const poisoned = body.replace('{"total"', '{"__proto__":{"admin":true},"total"')
    expect(outcomeOf(() => decodeStored(poisoned, { id: 'a-1', type: 'order.placed', key: 'order-1' }))).toBe(
      'event_forbidden_key',
    )
    expectTheSame(placed, poisoned)
  })

  it('gives each event data and metadata of its own', () => {
    const [one, other] = ['a-1', 'a-2'].map((id) => {
      const event = { ...placed, id, metadata: { ...placed.metadata, correlationId: id } }
      return decodeStored(encodeEvent(event), { id, type: event.type, key: event.key })
    })
    expect(one?.metadata).not.toBe(other?.metadata)
    expect(one?.data).not.toBe(other?.data)
    expect([one?.metadata.correlationId, other?.metadata.correlationId]).toEqual(['a-1', 'a-2'])
  })

  it('does not pass on what somebody has written into the metadata of another event', () => {
    const type = 'order.touched'
    const [one] = ['a-1', 'a-2', 'a-3'].map((id) => {
      const event = { ...placed, id, type, metadata: { ...placed.metadata, correlationId: id } }
      const read = decodeStored(encodeEvent(event), { id, type, key: event.key })
      expect(read).toEqual(event)
      return Object.assign(read.metadata, { userId: id })
    })
    expect(one?.userId).toBe('a-1')
  })

  it('gives what decoding gives of members in another order, there twice or without a value', () => {
    const change = fc.record({
      from: fc.nat({ max: 11 }),
      to: fc.nat({ max: 11 }),
      moved: fc.boolean(),
      value: fc.constantFrom('as it is', 'other', '', null),
    })
    const changed = fc.record({
      id: fc.constantFrom('a-1', 'a-2'),
      key: fc.constantFrom('order-1', undefined),
      changes: fc.array(change, { maxLength: 2 }),
    })
    fc.assert(
      fc.property(fc.array(changed, { minLength: 2, maxLength: 6 }), fc.uuid(), (events, type) => {
        for (const { id, key, changes } of events) {
          const { key: _, ...rest } = { ...placed, id, type, metadata: { ...placed.metadata, correlationId: id } }
          const event = key === undefined ? rest : { ...rest, key }
          const members: [string, unknown][] = Object.entries(JSON.parse(encodeEvent(event)) as object)
          for (const { from, to, moved, value } of changes) {
            const [name, known] = members[from] ?? ['subject', 'order-1']
            if (moved) members.splice(from, 1)
            members.splice(to, 0, [name, value === 'as it is' ? known : value])
          }
          const texts = members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
          expectTheSame(event, `{${texts.join(',')}}`)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('reads long events and more types than it keeps forms of', () => {
    const long = { ...placed, data: { text: 'x'.repeat(10_000) } }
    expectTheSame(long, encodeEvent(long))
    for (let n = 0; n < 200; n += 1) {
      const event = { ...placed, type: `order.kind-${n % 100}`, id: `a-${n}` }
      expectTheSame(event, encodeEvent(event))
    }
  })
})
