import { MillraceError } from '../runtime/error.ts'
import { assertAttributeText } from './attribute-text.ts'
import type { EventMessage, EventMetadata } from './event.ts'
import { checkJson, type JsonOrigin } from './json-check.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'
import { normalizeTimestamp } from './timestamp.ts'

const URI_REFERENCE = /^[^\s<>"{}|\\^`]+$/
const VERSION = /^[1-9]\d{0,8}$/
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-[\x21-\x7e]*)?$/
const EXTENSION_NAME = /^[a-z0-9]+$/
const LARGEST_INTEGER = 2 ** 31 - 1

/** Attributes that have a place of their own in the message; an extension cannot take their names. */
const OWN_ATTRIBUTES: ReadonlySet<string> = new Set(
  (
    'specversion id source type subject time data partitionkey correlationid causationid userid sessionid tenantid ' +
    'traceparent tracestate expirytime recordedtime partition position'
  ).split(' '),
)

/**
 * Checks a whole message, whoever made it: attributes, metadata, data and every limit but the size of the encoded event,
 * which `encodeEvent` checks. Throws `event_malformed`, `event_not_json`, `event_forbidden_key`, `limit_exceeded`, each with
 * the path. `origin` says where the data comes from.
 */
export function checkEvent(
  event: unknown,
  limits: Limits = DEFAULT_LIMITS,
  { origin = 'program' }: { origin?: JsonOrigin } = {},
): asserts event is EventMessage {
  if (!isRecord(event)) throw malformed('event', 'is not an object; make one with `create` of a definition')
  const { id, type, source, version, timestamp, subject, key, metadata } = event
  assertAttributeText('id', id, limits.idBytes)
  checkType(type, limits)
  checkSource(source, limits)
  if (typeof version !== 'string' || !VERSION.test(version)) {
    throw malformed('version', 'must be a whole number of 1 or more, as text')
  }
  if (typeof timestamp !== 'string' || normalizeTimestamp(timestamp, 'timestamp') !== timestamp) {
    throw malformed('timestamp', 'must be RFC 3339 in UTC with milliseconds, such as "2026-01-31T12:00:00.000Z"')
  }
  if (subject !== undefined) assertAttributeText('subject', subject, limits.eventBytes)
  if (key !== undefined) assertAttributeText('key', key, limits.idBytes)
  if (!isRecord(metadata)) throw malformed('metadata', 'must be an object with correlationId and sessionId')
  assertAttributeText('metadata.correlationId', metadata['correlationId'], limits.idBytes)
  assertAttributeText('metadata.sessionId', metadata['sessionId'], limits.idBytes)
  checkMetadata(metadata, limits)
  checkJson(event['data'], { bounds: limits, origin })
}

/** Throws `event_malformed` or `limit_exceeded` unless the type is one that CloudEvents allows, of at most `nameCharacters`. */
export function checkType(type: unknown, { nameCharacters }: Limits): asserts type is string {
  assertAttributeText('type', type, Number.MAX_SAFE_INTEGER)
  if (type.length > nameCharacters) {
    throw new MillraceError(
      'limit_exceeded',
      `The attribute "type" has more than ${nameCharacters} characters. Shorten it.`,
      {
        path: 'type',
        facts: { limit: nameCharacters },
      },
    )
  }
}

/** Throws `event_malformed` unless the source is a URI-reference. */
export function checkSource(source: unknown, { eventBytes }: Limits): asserts source is string {
  assertAttributeText('source', source, eventBytes)
  if (!URI_REFERENCE.test(source)) {
    throw malformed('source', 'must be a URI-reference, such as "/shop" or "https://shop.example"')
  }
}

/** Checks the metadata that is there; undefined members count as absent. */
export function checkMetadata(metadata: Partial<EventMetadata> | Record<string, unknown>, limits: Limits): void {
  const { correlationId, causationId, userId, sessionId, tenantId, traceparent, tracestate, expiresAt, extensions } =
    metadata as Record<string, unknown>
  if (correlationId !== undefined) assertAttributeText('metadata.correlationId', correlationId, limits.idBytes)
  if (causationId !== undefined) assertAttributeText('metadata.causationId', causationId, limits.idBytes)
  if (userId !== undefined) assertAttributeText('metadata.userId', userId, limits.idBytes)
  if (sessionId !== undefined) assertAttributeText('metadata.sessionId', sessionId, limits.idBytes)
  if (tenantId !== undefined) assertAttributeText('metadata.tenantId', tenantId, limits.idBytes)
  if (traceparent !== undefined && (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent))) {
    throw malformed(
      'metadata.traceparent',
      'is no traceparent of W3C trace context; leave it out or pass it on unchanged',
    )
  }
  if (tracestate !== undefined) assertAttributeText('metadata.tracestate', tracestate, limits.eventBytes)
  if (expiresAt !== undefined) {
    if (typeof expiresAt !== 'string') throw malformed('metadata.expiresAt', 'must be a time as RFC 3339 writes it')
    normalizeTimestamp(expiresAt, 'metadata.expiresAt')
  }
  if (extensions !== undefined) checkExtensions(extensions, limits)
}

function checkExtensions(extensions: unknown, limits: Limits): void {
  if (!isRecord(extensions)) throw malformed('metadata.extensions', 'must be an object')
  const names = Object.keys(extensions)
  if (names.length > limits.keys) {
    throw new MillraceError(
      'limit_exceeded',
      `There are more than ${limits.keys} extensions. Put them into the data.`,
      {
        path: 'metadata.extensions',
        facts: { limit: limits.keys },
      },
    )
  }
  for (const name of names) checkExtension(name, extensions[name], limits)
}

function checkExtension(name: string, value: unknown, limits: Limits): void {
  const path = `metadata.extensions.${name.slice(0, 64)}`
  if (name === BINARY_MARK && value === true) return
  if (!EXTENSION_NAME.test(name)) throw malformed(path, 'must have a name of lower-case letters and digits')
  if (OWN_ATTRIBUTES.has(name)) throw malformed(path, 'has a place of its own in the message; set it there')
  if (typeof value === 'string') {
    if (value !== '') assertAttributeText(path, value, limits.eventBytes)
  } else if (typeof value === 'number') {
    if (!Number.isInteger(value) || value > LARGEST_INTEGER || value < -LARGEST_INTEGER - 1) {
      throw malformed(path, 'must be a whole number of 32 bits; give it as text')
    }
  } else if (typeof value !== 'boolean') throw malformed(path, 'must be a text, a whole number or a boolean')
}

/**
 * The extension that marks data which is no JSON: `data` is then the bytes in base64. The underscore keeps the name out of
 * reach of CloudEvents attributes.
 */
export const BINARY_MARK = 'data_base64'

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(path: string, what: string): MillraceError {
  return new MillraceError('event_malformed', `"${path}" ${what}.`, { path })
}
