import { isMillraceError, MillraceError } from '../runtime/error.ts'
import { utf8Bytes } from './attribute-text.ts'
import { decodeAttributes, type DecodeOptions } from './decode-attributes.ts'
import type { EventMessage, EventPosition } from './event.ts'
import type { JsonOrigin } from './json-check.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'
import { writeEvent } from './write-event.ts'

/**
 * An event as structured CloudEvents 1.0 JSON, its attributes always in the same order: the form that engines carry. The
 * message is taken to be sound (`create`, `checkEvent` and `decodeEvent` give sound ones). Throws `limit_exceeded` above
 * `eventBytes`, and `event_not_json` for data that cannot be written.
 */
export function encodeEvent(event: EventMessage, { eventBytes }: Pick<Limits, 'eventBytes'> = DEFAULT_LIMITS): string {
  const body = stringify(event)
  if (body.length * 3 > eventBytes && (body.length > eventBytes || utf8Bytes(body) > eventBytes)) {
    throw tooLarge(event, eventBytes)
  }
  return body
}

/** Several events as one CloudEvents batch. Throws `limit_exceeded` above the limits of an event and of a batch, and as `encodeEvent`. */
export function encodeBatch(events: readonly EventMessage[], limits: Limits = DEFAULT_LIMITS): string {
  checkBatchSize(events.length, limits)
  const body = `[${events.map((event) => encodeEvent(event, limits)).join(',')}]`
  checkBatchBytes(body, limits)
  return body
}

/** The place where an engine holds an event; of the topic only where it is to be told. */
export type ToldPlace = Pick<EventPosition, 'recordedAt' | 'partition' | 'position'> & {
  readonly topic?: string | undefined
}

/**
 * A body of `encodeEvent` with the place where an engine holds it, as the attributes `topic`, `recordedtime`, `partition` and
 * `position`. The body is not parsed.
 */
export function encodeStored(body: string, { topic, recordedAt, partition, position }: ToldPlace): string {
  const first = topic === undefined ? '' : `"topic":${JSON.stringify(topic)},`
  return `{${first}"recordedtime":"${recordedAt}","partition":"${partition}","position":${JSON.stringify(position)},${body.slice(1)}`
}

/**
 * Reads structured CloudEvents JSON, as text or parsed. Strict: throws `event_malformed` with the attribute as path,
 * `event_not_json`, `event_forbidden_key` and `limit_exceeded` with the path in the data, and nothing else. Unknown
 * extensions and a foreign `dataschema` stay in `metadata.extensions`; `recordedtime`, `partition` and `position`
 * belong to the engine and are left out.
 */
export function decodeEvent(body: string | object, options: DecodeOptions = {}): EventMessage {
  if (typeof body !== 'string') return decodeParsed(body, 'wire', options)
  if (options.trusted !== true) checkBodyLength(body, options.limits ?? DEFAULT_LIMITS)
  return decodeParsed(parseJson(body), originOf(body), options)
}

function decodeParsed(event: unknown, origin: JsonOrigin, options: DecodeOptions): EventMessage {
  try {
    return decodeAttributes(event, origin, options)
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
  const origin = typeof body === 'string' ? originOf(body) : 'wire'
  if (!Array.isArray(items)) throw new MillraceError('event_malformed', 'A batch must be a JSON array of CloudEvents.')
  checkBatchSize(items.length, limits)
  return items.map((item: unknown): DecodedItem => {
    try {
      return { event: decodeParsed(item, origin, options) }
    } catch (error) {
      return { error: error as MillraceError }
    }
  })
}

function stringify(event: EventMessage): string {
  const { data } = event
  // Inside an object JSON.stringify drops these without a word.
  const dropped = typeof data === 'function' || typeof data === 'symbol' || hasMethod(data, 'toJSON')
  try {
    if (!dropped) return writeEvent(event)
  } catch (error) {
    throw new MillraceError('event_not_json', 'The data cannot be written as JSON. Give plain values.', {
      path: 'data',
      cause: error,
    })
  }
  throw new MillraceError('event_not_json', 'The data cannot be written as JSON. Give plain values.', { path: 'data' })
}

function hasMethod(value: unknown, name: string): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Readonly<Record<string, unknown>>)[name] === 'function'
  )
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
