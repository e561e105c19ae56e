import { isMillraceError, MillraceError } from '../runtime/error.ts'
import { utf8Bytes } from './attribute-text.ts'
import { BINARY_MARK } from './check-event.ts'
import { decodeAttributes, type DecodeOptions } from './decode-attributes.ts'
import type { EventMessage, EventPosition } from './event.ts'
import type { JsonOrigin } from './json-check.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'

/**
 * An event as structured CloudEvents 1.0 JSON, its attributes always in the same order: the form that engines carry. The
 * message is taken to be sound (`create`, `checkEvent` and `decodeEvent` give sound ones). Throws `limit_exceeded` above
 * `eventBytes`, and `event_not_json` for data that cannot be written.
 */
export function encodeEvent(event: EventMessage, { eventBytes }: Pick<Limits, 'eventBytes'> = DEFAULT_LIMITS): string {
  const { metadata, subject, key } = event
  const { causationId, userId, tenantId, traceparent, tracestate, expiresAt, extensions } = metadata
  let body = `{"specversion":"1.0","id":${quote(event.id)},"source":${quote(event.source)},"type":${quote(event.type)}`
  if (subject !== undefined) body += `,"subject":${quote(subject)}`
  body += `,"time":${quote(event.timestamp)}`
  const foreignSchema = extensions?.['dataschema']
  body += `,"dataschema":${quote(typeof foreignSchema === 'string' ? foreignSchema : dataSchemaOf(event))}`
  if (key !== undefined) body += `,"partitionkey":${quote(key)}`
  body += `,"correlationid":${quote(metadata.correlationId)}`
  if (causationId !== undefined) body += `,"causationid":${quote(causationId)}`
  if (userId !== undefined) body += `,"userid":${quote(userId)}`
  body += `,"sessionid":${quote(metadata.sessionId)}`
  if (tenantId !== undefined) body += `,"tenantid":${quote(tenantId)}`
  if (traceparent !== undefined) body += `,"traceparent":${quote(traceparent)}`
  if (tracestate !== undefined) body += `,"tracestate":${quote(tracestate)}`
  if (expiresAt !== undefined) body += `,"expirytime":${quote(expiresAt)}`
  body +=
    extensions === undefined
      ? jsonMember(event.data)
      : extensionMembers(extensions) + foreignMember(event.data, extensions)
  body += '}'
  if (body.length * 3 > eventBytes && (body.length > eventBytes || utf8Bytes(body) > eventBytes))
    throw tooLarge(event, eventBytes)
  return body
}

/** Several events as one CloudEvents batch. Throws `limit_exceeded` above the limits of an event and of a batch, and as `encodeEvent`. */
export function encodeBatch(events: readonly EventMessage[], limits: Limits = DEFAULT_LIMITS): string {
  checkBatchSize(events.length, limits)
  const body = `[${events.map((event) => encodeEvent(event, limits)).join(',')}]`
  checkBatchBytes(body, limits)
  return body
}

/**
 * A body of `encodeEvent` with the place where an engine holds it, as the attributes `recordedtime`, `partition` and
 * `position`. The body is not parsed.
 */
export function encodeStored(
  body: string,
  place: Pick<EventPosition, 'recordedAt' | 'partition' | 'position'>,
): string {
  return `{"recordedtime":${quote(place.recordedAt)},"partition":"${place.partition}","position":${quote(place.position)},${body.slice(1)}`
}

/**
 * Reads structured CloudEvents JSON, as text or parsed. Strict: throws `event_malformed` with the attribute as path,
 * `event_not_json`, `event_forbidden_key` and `limit_exceeded` with the path in the data, and nothing else. Unknown
 * extensions and a foreign `dataschema` stay in `metadata.extensions`; `recordedtime`, `partition` and `position`
 * belong to the engine and are left out.
 */
export function decodeEvent(body: string | object, options: DecodeOptions = {}): EventMessage {
  try {
    if (typeof body !== 'string') return decodeAttributes(body, 'wire', options)
    if (options.trusted !== true) checkBodyLength(body, options.limits ?? DEFAULT_LIMITS)
    return decodeAttributes(parseJson(body), originOf(body), options)
  } catch (error) {
    if (isMillraceError(error)) throw error
    throw new MillraceError('event_malformed', 'The event threw when it was read. Give CloudEvents JSON.', {
      cause: error,
    })
  }
}

/** One item of a batch: the event, or why it is none. */
export type DecodedItem =
  | { readonly event: EventMessage; readonly error?: undefined }
  | { readonly event?: undefined; readonly error: MillraceError }

/**
 * Reads a CloudEvents batch, item by item, in order; one bad item spoils no other. Throws `event_malformed` when it is no
 * JSON array, `limit_exceeded` above the limits of a batch.
 */
export function decodeBatch(body: string | readonly unknown[], options: DecodeOptions = {}): readonly DecodedItem[] {
  const limits = options.limits ?? DEFAULT_LIMITS
  if (typeof body === 'string') checkBatchBytes(body, limits)
  const items: unknown = typeof body === 'string' ? parseJson(body) : body
  if (!Array.isArray(items)) throw new MillraceError('event_malformed', 'A batch must be a JSON array of CloudEvents.')
  checkBatchSize(items.length, limits)
  return items.map((item: unknown): DecodedItem => {
    try {
      return { event: decodeEvent(item as object, options) }
    } catch (error) {
      return { error: error as MillraceError }
    }
  })
}

const PLAIN = /^[ !#-[\]-~]*$/

function quote(text: string): string {
  return text.length < 100 && PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** `millrace:<type>/<version>`; a type that is no URI is escaped. */
export function dataSchemaOf({ type, version }: Pick<EventMessage, 'type' | 'version'>): string {
  return `millrace:${URI_SAFE.test(type) ? type : encodeURIComponent(type)}/${version}`
}

const URI_SAFE = /^[\w.~-]+$/

function jsonMember(data: unknown): string {
  return data === undefined ? '' : `,"datacontenttype":"application/json","data":${stringify(data)}`
}

function extensionMembers(extensions: Readonly<Record<string, string | number | boolean>>): string {
  let members = ''
  for (const name of Object.keys(extensions).sort()) {
    if (name !== 'dataschema' && name !== BINARY_MARK) members += `,"${name}":${JSON.stringify(extensions[name])}`
  }
  return members
}

function foreignMember(data: unknown, extensions: Readonly<Record<string, string | number | boolean>>): string {
  if (data === undefined) return ''
  if (extensions[BINARY_MARK] === true) return `,"data_base64":${stringify(data)}`
  return extensions['datacontenttype'] === undefined ? jsonMember(data) : `,"data":${stringify(data)}`
}

function stringify(data: unknown): string {
  try {
    // JSON.stringify gives undefined for what it cannot write, whatever its type says.
    const text = JSON.stringify(data) as string | undefined
    if (text !== undefined) return text
  } catch (error) {
    throw new MillraceError('event_not_json', 'The data cannot be written as JSON. Give plain values.', {
      path: 'data',
      cause: error,
    })
  }
  throw new MillraceError('event_not_json', 'The data cannot be written as JSON. Give plain values.', { path: 'data' })
}

function checkBodyLength(body: string, { eventBytes }: Limits): void {
  // Spaces and escapes may make the text longer than what is stored, though never by this much in earnest.
  if (body.length > eventBytes * 2) {
    throw new MillraceError(
      'limit_exceeded',
      `The event has more than ${eventBytes} bytes. Store the payload elsewhere and publish a reference.`,
      {
        facts: { limit: eventBytes },
      },
    )
  }
}

/** A lone surrogate is in a text as such, or as an escape that begins so. */
function originOf(body: string): JsonOrigin {
  return body.includes('\\u') || !body.isWellFormed() ? 'text' : 'clean-text'
}

/** Parses JSON text. Throws `event_malformed`, without a piece of the text in the message. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new MillraceError('event_malformed', 'The event is not JSON. Give CloudEvents in the structured JSON format.')
  }
}

function checkBatchSize(events: number, { batchEvents }: Limits): void {
  if (events <= batchEvents) return
  throw new MillraceError(
    'limit_exceeded',
    `The batch has ${events} events and may have ${batchEvents}. Send it in parts.`,
    {
      facts: { limit: batchEvents, events },
    },
  )
}

function checkBatchBytes(body: string, { batchBytes }: Limits): void {
  if (body.length * 3 <= batchBytes || (body.length <= batchBytes && utf8Bytes(body) <= batchBytes)) return
  throw new MillraceError('limit_exceeded', `The batch has more than ${batchBytes} bytes. Send it in parts.`, {
    facts: { limit: batchBytes },
  })
}

function tooLarge({ type }: EventMessage, limit: number): MillraceError {
  return new MillraceError(
    'limit_exceeded',
    `The event of type "${type}" has more than ${limit} bytes. Store the payload elsewhere and publish a reference.`,
    { path: 'data', facts: { limit } },
  )
}
