import { encodeEvent, type EventMessage } from '@millrace/core/contract'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { browsableEvent, browsableText } from '../../src/bus/stored-event.ts'
import { createCatalog } from '../../src/contract/catalog.ts'
import { defineEvent } from '../../src/contract/define-event.ts'
import { positionOf } from '../../src/driver/sql/sequence.ts'
import type { StoredRecord } from '../../src/driver/record.ts'

const PriceSet = defineEvent('price.set', {
  version: 2,
  schema: z.object({ price: z.number(), currency: z.string() }),
  earlier: { 1: { schema: z.object({ price: z.number() }), up: (data) => ({ ...data, currency: 'EUR' }) } },
})
const nothing = createCatalog()
const known = createCatalog([PriceSet])

let sequence = 0
function recordOf(message: Partial<EventMessage>, changed: (body: string) => string = (body) => body): StoredRecord {
  sequence += 1
  const id = `e-${sequence}`
  const event: EventMessage = {
    id,
    type: 'price.set',
    version: '1',
    timestamp: '2026-01-01T00:00:00.000Z',
    source: '/shop',
    data: { price: sequence },
    ...message,
    metadata: { correlationId: id, sessionId: 'instance:x', ...message.metadata },
  }
  return {
    topic: 'price',
    partition: 3,
    position: positionOf(sequence),
    id,
    type: event.type,
    key: event.key,
    recordedAt: Date.UTC(2026, 0, 1),
    body: changed(encodeEvent(event)),
  }
}

describe('a stored event as text', () => {
  it('is what is stored, with its place, and its data is not read once its type is known', () => {
    browsableText(recordOf({}), nothing)
    const unread = recordOf({}, (body) => body.replace('"data":{', '"data":{?'))
    expect(browsableText(unread, nothing)).toEqual({
      topic: 'price',
      partition: 3,
      position: unread.position,
      recordedAt: '2026-01-01T00:00:00.000Z',
      body: unread.body,
      extensions: undefined,
    })
    expect(browsableEvent(unread, nothing)).toBeUndefined()
  })

  it('is what is stored, however large it is or whatever flow it belongs to', () => {
    browsableText(recordOf({}), nothing)
    for (const message of [
      { data: { text: 'x'.repeat(10_000) } },
      { metadata: { correlationId: 'a', causationId: 'b', sessionId: 's', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` } }, // prettier-ignore
      { key: 'k', subject: 's' },
    ]) {
      const record = recordOf(message)
      expect(browsableText(record, nothing)?.body).toBe(record.body)
    }
  })

  it('is brought to the latest version, the first of its type and those after it', () => {
    for (let n = 0; n < 3; n += 1) {
      const { body = '' } = browsableText(recordOf({}), known) ?? {}
      expect(JSON.parse(body)).toMatchObject({ dataschema: 'millrace:price.set/2', data: { currency: 'EUR' } })
    }
    const latest = recordOf({ version: '2', data: { price: 1, currency: 'USD' } })
    expect(browsableText(latest, known)?.body).toBe(latest.body)
  })

  it('comes with its extensions', () => {
    const metadata = { correlationId: 'c', sessionId: 's', extensions: { topic: 'own' } }
    for (let n = 0; n < 3; n += 1) {
      expect(browsableText(recordOf({}), nothing)?.extensions).toBeUndefined()
      expect(browsableText(recordOf({ metadata }), nothing)?.extensions).toEqual({ topic: 'own' })
    }
  })

  it.each([
    ['plain text', () => 'plain text'],
    ['a name that poisons', (body: string) => body.replace('"data":{', '"data":{"__proto__":{"a":1},')],
    ['half of it', (body: string) => body.slice(0, -10)],
  ])('is left out when it is no event: %s', (_name, changed) => {
    browsableText(recordOf({}), nothing)
    for (const definitions of [nothing, known]) {
      expect(browsableText(recordOf({}, changed), definitions)).toBeUndefined()
      expect(browsableEvent(recordOf({}, changed), definitions)).toBeUndefined()
    }
  })
})
