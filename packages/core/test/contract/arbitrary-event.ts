import { checkEvent, type EventMessage } from '@millrace/core/contract'
import fc from 'fast-check'

/** Any text that an attribute may have, 1 to 40 characters of any alphabet. */
const text: fc.Arbitrary<string> = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom('a', '.', '"', '\\', '%', '/', ' ', 'é', '😀', '\u2028', '\u202e'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
    ),
    minLength: 1,
    maxLength: 40,
  })
  .filter((value) => value !== '' && sound(value))
const name: fc.Arbitrary<string> = fc.stringMatching(/^[a-z0-9]{1,20}$/).map((value) => `x${value}`)
const extension: fc.Arbitrary<string | number | boolean> = fc.oneof(text, fc.integer(), fc.boolean())
const poison = /__proto__|constructor|prototype/

/** Data as JSON has it, without what `checkJson` refuses. */
export const arbitraryData: fc.Arbitrary<unknown> = fc
  .json({ stringUnit: 'grapheme' })
  .filter((json) => !poison.test(json))
  .map((json) => JSON.parse(json.replaceAll(/(?<![\d.])-0(?![\d.])/g, '0')) as unknown)
  .filter((value) => !hasNegativeZero(value))

/** A sound message of any kind: ours, foreign, binary. */
export const arbitraryEvent: fc.Arbitrary<EventMessage> = fc
  .record(
    {
      id: text,
      type: fc.oneof(text, fc.constant('order.placed')),
      version: fc.integer({ min: 1, max: 999 }).map(String),
      timestamp: fc
        .date({ noInvalidDate: true, min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59.999Z') })
        .map((date) => date.toISOString()),
      source: fc.webUrl(),
      subject: text,
      key: text,
      data: arbitraryData,
      metadata: fc.record(
        {
          correlationId: text,
          causationId: text,
          userId: text,
          sessionId: text,
          tenantId: text,
          traceparent: fc.constant('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
          tracestate: text,
          expiresAt: fc.constant('2030-01-01T00:00:00.000Z'),
          extensions: fc.dictionary(name, extension, { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
        },
        { requiredKeys: ['correlationId', 'sessionId'], noNullPrototype: true },
      ),
    },
    { requiredKeys: ['id', 'type', 'version', 'timestamp', 'source', 'data', 'metadata'], noNullPrototype: true },
  )
  .map((event) => event as EventMessage)

/** Extra extensions that make a message foreign: another schema, another content type, bytes. */
export const foreignEvent: fc.Arbitrary<EventMessage> = fc
  .tuple(
    arbitraryEvent,
    fc.constantFrom<Pick<EventMessage, 'data'> & { extensions: Record<string, string | boolean> }>(
      { data: 'AAEC/w==', extensions: { data_base64: true } },
      { data: 'AAEC/w==', extensions: { data_base64: true, datacontenttype: 'image/png' } },
      {
        data: 'e30=',
        extensions: { data_base64: true, datacontenttype: 'application/json', datacontentencoding: 'zstd' },
      },
      { data: 'plain text', extensions: { datacontenttype: 'text/plain' } },
      { data: { a: 1 }, extensions: { datacontenttype: 'application/vnd.api+json; charset=utf-8' } },
      { data: [1], extensions: { dataschema: 'https://schemas.example/order.json' } },
      { data: undefined, extensions: {} },
    ),
  )
  .map(([event, { data, extensions }]) => ({
    ...event,
    version: '1',
    data,
    ...(Object.keys(extensions).length === 0 ? {} : { metadata: { ...event.metadata, extensions } }),
  }))

function sound(value: string): boolean {
  try {
    checkEvent({ ...PROBE, subject: value, id: value.slice(0, 64), key: value, type: value })
    return true
  } catch {
    return false
  }
}

const PROBE: EventMessage = {
  id: 'i',
  type: 'a',
  version: '1',
  timestamp: '2026-01-01T00:00:00.000Z',
  source: '/a',
  data: null,
  metadata: { correlationId: 'i', sessionId: 's' },
}

function hasNegativeZero(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return Object.is(value, -0)
  return Object.values(value).some(hasNegativeZero)
}
