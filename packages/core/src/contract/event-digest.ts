import { BINARY_MARK } from './check-event.ts'
import { decodeEvent } from './cloud-events.ts'
import { dataSchemaOf } from './write-event.ts'

/**
 * What makes an event the same event when it is sent again, as a text to compare: type, source, id, subject, key,
 * dataschema and data, the data in canonical form. Time, trace, session and what the engine recorded do not count.
 * Takes a body in structured CloudEvents JSON; throws as `decodeEvent` does.
 */
export function eventDigest(body: string): string {
  const event = decodeEvent(body, { trusted: true })
  const { type, source, id, subject, key, data, metadata } = event
  const schema = metadata.extensions?.['dataschema'] ?? dataSchemaOf(event)
  const kind = metadata.extensions?.[BINARY_MARK] === true ? 'base64' : data === undefined ? 'none' : 'json'
  return JSON.stringify([type, source, id, subject ?? null, key ?? null, schema, kind, canonical(data)])
}

/** The same value with its keys in the order of RFC 8785 (UTF-16 code units). */
function canonical(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value ?? null
  if (Array.isArray(value)) return value.map(canonical)
  const source = value as Readonly<Record<string, unknown>>
  const keys = Object.keys(source)
  // Integer-like keys always come first in an object, so entries are written as pairs: the order is ours.
  return { pairs: keys.sort().map((key) => [key, canonical(source[key])]) }
}
