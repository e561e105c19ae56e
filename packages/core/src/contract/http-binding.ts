import { isMillraceError, MillraceError } from '../runtime/error.ts'
import { base64ToBytes, bytesToBase64, bytesToText } from './base64.ts'
import { decodeEvent, encodeEvent } from './cloud-events.ts'
import { isJsonType, type DecodeOptions } from './decode-attributes.ts'
import type { EventMessage } from './event.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'

/** Headers as Node.js, a plain object or `Headers` gives them. Names in any case. */
export type HeaderSource =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [string, string]>

const PREFIX = 'ce-'
const PERCENT = /^(?:[\x20-\x24\x26-\x7e]|%[\dA-Fa-f]{2})*$/
/** What a header may carry as it is; CloudEvents HTTP binding 1.0.2 § 3.1.3.2. */
const NEEDS_ENCODING = /[^\x21\x23\x24\x26-\x7e]/gu

/**
 * Reads an event in binary mode of the CloudEvents HTTP binding: attributes in `ce-` headers, data in the body. All
 * extensions come as text. JSON bodies become data; text in UTF-8 becomes a text; other bytes stay base64. Throws as
 * `decodeEvent` does, with the attribute as path.
 */
export function decodeBinary(
  headers: HeaderSource,
  body: string | Uint8Array,
  options: DecodeOptions = {},
): EventMessage {
  const { attributes, contentType } = attributesOf(headers)
  const size = body.length
  const { eventBytes } = options.limits ?? DEFAULT_LIMITS
  if (size > eventBytes * 2) {
    throw new MillraceError(
      'limit_exceeded',
      `The event has more than ${eventBytes} bytes. Store the payload elsewhere and publish a reference.`,
      {
        path: 'data',
        facts: { limit: eventBytes },
      },
    )
  }
  if (contentType !== undefined) attributes['datacontenttype'] = contentType
  if (size > 0) Object.assign(attributes, dataOf(body, contentType, attributes['datacontentencoding'] !== undefined))
  return decodeEvent(attributes, options)
}

/**
 * An event in binary mode of the CloudEvents HTTP binding. `body` is undefined where the event has no data. Throws as
 * `encodeEvent` does.
 */
export function encodeBinary(
  event: EventMessage,
  limits: Pick<Limits, 'eventBytes'> = DEFAULT_LIMITS,
): { readonly headers: Readonly<Record<string, string>>; readonly body: string | Uint8Array<ArrayBuffer> | undefined } {
  // The structured form is the one place that knows how a message maps to attributes.
  const { data, data_base64, datacontenttype, ...attributes } = JSON.parse(encodeEvent(event, limits)) as Record<
    string,
    unknown
  >
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(attributes)) headers[PREFIX + name] = encodeHeader(String(value))
  if (typeof datacontenttype === 'string') headers['content-type'] = datacontenttype
  if (typeof data_base64 === 'string') {
    // Without a content type a receiver takes a body for JSON.
    headers['content-type'] ??= 'application/octet-stream'
    return { headers, body: base64ToBytes(data_base64) }
  }
  if (data === undefined) return { headers, body: undefined }
  const isText = typeof data === 'string' && typeof datacontenttype === 'string' && !isJsonType(datacontenttype)
  return { headers, body: isText ? data : JSON.stringify(data) }
}

/** Whether headers announce binary mode: `ce-specversion` is there. */
export function isBinaryMode(headers: HeaderSource): boolean {
  for (const [name] of entriesOf(headers)) if (name.toLowerCase() === 'ce-specversion') return true
  return false
}

function attributesOf(headers: HeaderSource): {
  readonly attributes: Record<string, unknown>
  readonly contentType: string | undefined
} {
  const attributes: Record<string, unknown> = {}
  let contentType: string | undefined
  for (const [given, value] of entriesOf(headers)) {
    const header = given.toLowerCase()
    if (header === 'content-type') contentType = value
    if (!header.startsWith(PREFIX)) continue
    const name = header.slice(PREFIX.length)
    if (name === 'data' || name === 'database64' || !/^[a-z0-9]+$/.test(name) || Object.hasOwn(attributes, name)) {
      throw malformed(name.slice(0, 64), 'is not allowed, or there twice')
    }
    attributes[name] = decodeHeader(name, value)
  }
  return { attributes, contentType }
}

function* entriesOf(headers: HeaderSource): Iterable<readonly [string, string]> {
  if (Symbol.iterator in headers) {
    yield* headers as Iterable<readonly [string, string]>
    return
  }
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === 'string') yield [name, value]
    else if (Array.isArray(value)) for (const item of value) yield [name, String(item)]
    else if (value !== undefined) throw malformed(name.slice(0, 64), 'is not a text')
  }
}

function dataOf(
  body: string | Uint8Array,
  contentType: string | undefined,
  compressed: boolean,
): { readonly data: unknown } | { readonly data_base64: string } {
  if (typeof body === 'string') return { data: isJson(contentType) ? parse(body) : body }
  if (compressed) return { data_base64: bytesToBase64(body) }
  if (isJson(contentType)) return { data: parse(textOf(body)) }
  if (contentType !== undefined && /^text\//i.test(contentType)) {
    try {
      return { data: bytesToText(body) }
    } catch {
      // Of another character set: the bytes are kept as they came.
    }
  }
  return { data_base64: bytesToBase64(body) }
}

function isJson(contentType: string | undefined): boolean {
  return contentType === undefined || isJsonType(contentType)
}

function textOf(body: Uint8Array): string {
  try {
    return bytesToText(body)
  } catch {
    throw malformed('data', 'is not UTF-8')
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw malformed('data', 'is not JSON, as the content type says it is')
  }
}

function decodeHeader(name: string, value: string): string {
  const text = /^".*"$/.test(value) && value.length > 1 ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value
  if (!PERCENT.test(text))
    throw malformed(name, 'must be ASCII; encode other characters, and "%", as % and two hex digits')
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (isMillraceError(error)) throw error
    throw malformed(name, 'has percent-encoded bytes that are not UTF-8')
  }
}

function encodeHeader(value: string): string {
  return value.replaceAll(NEEDS_ENCODING, encodeURIComponent)
}

function malformed(path: string, what: string): MillraceError {
  return new MillraceError('event_malformed', `The attribute "${path}" ${what}.`, { path })
}
