import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { base64ToText, isBase64 } from './base64.ts'
import { BINARY_MARK, checkEvent } from './check-event.ts'
import type { EventMessage, EventMetadata } from './event.ts'
import type { JsonOrigin } from './json-check.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'
import { normalizeTimestamp, timestampOf } from './timestamp.ts'

/** How an event is read. */
export interface DecodeOptions {
  readonly limits?: Limits
  /** True for bodies that `encodeEvent` wrote and an engine kept: attributes and data are not checked again. */
  readonly trusted?: boolean
  /** The session of an event that names none. Default `unknown`. */
  readonly sessionId?: string
  /** The time of an event that names none; the epoch when absent, so that reading stays repeatable. */
  readonly runtime?: Pick<Runtime, 'now'>
}

type Extensions = Record<string, string | number | boolean>
type Raw = Readonly<Record<string, unknown>>

const NAME = /^[a-z0-9]+$/
const OUR_SCHEMA = /^millrace:(.+)\/([^/]*)$/
const VERSION = /^[1-9]\d{0,8}$/

/** A parsed CloudEvent as a message. Throws as `decodeEvent` does. */
export function decodeAttributes(raw: unknown, origin: JsonOrigin, options: DecodeOptions): EventMessage {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw malformed('', 'An event must be a JSON object with CloudEvents attributes.')
  }
  const attributes = raw as Raw
  if (attributes['specversion'] !== '1.0') {
    throw malformed('specversion', 'The attribute "specversion" must be "1.0".')
  }
  const { trusted = false, limits = DEFAULT_LIMITS } = options
  const id = text(attributes, 'id')
  const type = text(attributes, 'type')
  const source = text(attributes, 'source')
  if (id === undefined || type === undefined || source === undefined) {
    const missing = id === undefined ? 'id' : type === undefined ? 'type' : 'source'
    throw malformed(missing, `The attribute "${missing}" is missing. Every CloudEvent has one.`)
  }
  const extensions = extensionsOf(attributes)
  const version = versionOf(text(attributes, 'dataschema'), type, extensions)
  const data = dataOf(attributes, extensions)
  const subject = text(attributes, 'subject')
  const key = text(attributes, 'partitionkey')
  const message: { -readonly [Name in keyof EventMessage]: EventMessage[Name] } = {
    id,
    type,
    version,
    timestamp: timeOf(attributes, options),
    source,
    data,
    metadata: metadataOf(attributes, id, extensions, options),
  }
  if (subject !== undefined) message.subject = subject
  if (key !== undefined) message.key = key
  if (!trusted) checkForeign(message, limits, origin)
  return message
}

/** The value of an attribute that is text; null counts as absent, as the JSON format of CloudEvents says. */
function text(attributes: Raw, name: string): string | undefined {
  const value = attributes[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string')
    throw malformed(name, `The attribute "${name}" is of type ${typeof value}; it must be a text.`)
  if (value === '') throw malformed(name, `The attribute "${name}" is empty. Leave it out or give it a value.`)
  return value
}

/** What is none of ours, as it came. Throws `event_malformed`. */
export function extensionsOf(attributes: Raw): Extensions | undefined {
  let extensions: Extensions | undefined
  for (const name of Object.keys(attributes)) {
    switch (name) {
      case 'specversion':
      case 'id':
      case 'source':
      case 'type':
      case 'subject':
      case 'time':
      case 'dataschema':
      case 'datacontenttype':
      case 'data':
      case 'data_base64':
      case 'partitionkey':
      case 'correlationid':
      case 'causationid':
      case 'userid':
      case 'sessionid':
      case 'tenantid':
      case 'traceparent':
      case 'tracestate':
      case 'expirytime':
      case 'recordedtime':
      case 'partition':
      case 'position':
        continue
      default: {
        const value = attributes[name]
        if (!NAME.test(name)) {
          throw malformed(
            name.slice(0, 64),
            `The attribute ${JSON.stringify(name.slice(0, 64))} must have a name of lower-case letters and digits.`,
          )
        }
        if (value === null || value === undefined) continue
        if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
          throw malformed(
            name,
            `The attribute "${name}" must be a text, a whole number or a boolean. Move it into the data.`,
          )
        }
        extensions ??= {}
        extensions[name] = value
      }
    }
  }
  const type = text(attributes, 'datacontenttype')
  const binary =
    attributes['data_base64'] !== undefined && attributes['data_base64'] !== null && !isJsonText(attributes)
  if (type !== undefined && (binary || type !== 'application/json')) {
    extensions ??= {}
    extensions['datacontenttype'] = type
  }
  if (binary) {
    extensions ??= {}
    extensions[BINARY_MARK] = true
  }
  const schema = attributes['dataschema']
  if (typeof schema === 'string' && !schema.startsWith('millrace:')) {
    extensions ??= {}
    extensions['dataschema'] = schema
  }
  return extensions
}

function versionOf(schema: string | undefined, type: string, extensions: Extensions | undefined): string {
  if (schema === undefined || extensions?.['dataschema'] !== undefined) return '1'
  if (schema.startsWith(`millrace:${type}/`)) {
    const version = schema.slice(type.length + 10)
    if (VERSION.test(version)) return version
  }
  const [, named, version] = OUR_SCHEMA.exec(schema) ?? []
  if (named !== encodeURIComponent(type) || version === undefined || !VERSION.test(version)) {
    throw malformed(
      'dataschema',
      `The attribute "dataschema" must be "millrace:", the type, "/" and the version, a whole number from 1; or the URI of another schema.`,
    )
  }
  return version
}

function dataOf(attributes: Raw, extensions: Extensions | undefined): unknown {
  const encoded = attributes['data_base64']
  if (encoded === undefined || encoded === null) return attributes['data']
  if (attributes['data'] !== undefined) {
    throw malformed('data_base64', 'The event has both "data" and "data_base64". Give one of them.')
  }
  if (typeof encoded !== 'string' || !isBase64(encoded)) {
    throw malformed('data_base64', 'The attribute "data_base64" is not base64 (RFC 4648 § 4, with padding).')
  }
  if (extensions?.[BINARY_MARK] === true) return encoded
  try {
    return JSON.parse(base64ToText(encoded))
  } catch {
    throw malformed('data_base64', 'The attribute "data_base64" does not hold JSON, as "datacontenttype" says it does.')
  }
}

/** Bytes that are said to be plain JSON are read as JSON; compressed or of another kind, they stay bytes. */
function isJsonText(attributes: Raw): boolean {
  const type = attributes['datacontenttype']
  return typeof type === 'string' && isJsonType(type) && attributes['datacontentencoding'] === undefined
}

/** Whether a media type is JSON: `application/json`, `text/json` or a `+json`, parameters apart. */
export function isJsonType(mediaType: string): boolean {
  return /^[^;]*[/+]json\s*(?:;.*)?$/i.test(mediaType)
}

function timeOf(attributes: Raw, { runtime, trusted = false }: DecodeOptions): string {
  const time = text(attributes, 'time')
  if (time === undefined) return timestampOf(runtime?.now() ?? 0)
  return trusted ? time : normalizeTimestamp(time, 'time')
}

/** The metadata of a CloudEvent that belongs to the flow `id` unless it names another. Throws `event_malformed`. */
export function metadataOf(
  attributes: Raw,
  id: string,
  extensions: Extensions | undefined,
  { sessionId }: DecodeOptions = {},
): EventMetadata {
  const metadata: { -readonly [Name in keyof EventMetadata]: EventMetadata[Name] } = {
    correlationId: text(attributes, 'correlationid') ?? id,
    sessionId: text(attributes, 'sessionid') ?? sessionId ?? 'unknown',
  }
  const causationId = text(attributes, 'causationid')
  const userId = text(attributes, 'userid')
  const tenantId = text(attributes, 'tenantid')
  const traceparent = text(attributes, 'traceparent')
  const tracestate = text(attributes, 'tracestate')
  const expiresAt = text(attributes, 'expirytime')
  if (causationId !== undefined) metadata.causationId = causationId
  if (userId !== undefined) metadata.userId = userId
  if (tenantId !== undefined) metadata.tenantId = tenantId
  if (traceparent !== undefined) metadata.traceparent = traceparent
  if (tracestate !== undefined) metadata.tracestate = tracestate
  if (expiresAt !== undefined) metadata.expiresAt = normalizeTimestamp(expiresAt, 'expirytime')
  if (extensions !== undefined) metadata.extensions = extensions
  return metadata
}

const ATTRIBUTE_OF: Readonly<Record<string, string>> = {
  key: 'partitionkey',
  timestamp: 'time',
  'metadata.expiresAt': 'expirytime',
}

/** The faults of a message, told in the names of the wire. */
function checkForeign(message: EventMessage, limits: Limits, origin: JsonOrigin): void {
  try {
    checkEvent(message, limits, { origin })
  } catch (error) {
    if (!isMillraceError(error) || error.path === undefined) throw error
    const { code, path, facts, cause } = error
    const attribute =
      ATTRIBUTE_OF[path] ??
      (path.startsWith('metadata.') ? path.replace(/^metadata\.(?:extensions\.)?/, '').toLowerCase() : path)
    throw new MillraceError(code, error.message.replace(path, attribute), { path: attribute, facts, cause })
  }
}

function malformed(path: string, message: string): MillraceError {
  return new MillraceError('event_malformed', message, path === '' ? {} : { path })
}
