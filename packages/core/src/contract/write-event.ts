import { BINARY_MARK } from './check-event.ts'
import type { EventMessage, EventMetadata } from './event.ts'

/**
 * A sound message as structured CloudEvents JSON, put together from its attributes in a fixed order: what `JSON.stringify` would write of an
 * object of them, in half the time. Throws what `JSON.stringify` throws for the data.
 */
export function writeEvent(event: EventMessage): string {
  const { id, metadata, data } = event
  const { correlationId, extensions } = metadata
  const quotedId = quoted(id)
  const given = extensions?.['dataschema']
  return (
    `{"specversion":"1.0","id":${quotedId}` +
    sourceMember(event.source) +
    typeMember(event.type) +
    optional('subject', event.subject) +
    timeMember(event.timestamp) +
    (given === undefined ? schemaMember(event) : `,"dataschema":${JSON.stringify(given)}`) +
    optional('partitionkey', event.key) +
    `,"correlationid":${correlationId === id ? quotedId : quoted(correlationId)}` +
    optional('causationid', metadata.causationId) +
    optional('userid', metadata.userId) +
    sessionMember(metadata.sessionId) +
    optional('tenantid', metadata.tenantId) +
    optional('traceparent', metadata.traceparent) +
    optional('tracestate', metadata.tracestate) +
    optional('expirytime', metadata.expiresAt) +
    (extensions === undefined ? '' : extensionMembers(extensions)) +
    dataMembers(data, extensions) +
    '}'
  )
}

/** `millrace:<type>/<version>`; a type that is no URI is escaped. */
export function dataSchemaOf({ type, version }: Pick<EventMessage, 'type' | 'version'>): string {
  return `millrace:${URI_SAFE.test(type) ? type : encodeURIComponent(type)}/${version}`
}

const URI_SAFE = /^[\w.~-]+$/
/** Printable ASCII without quotes and backslashes: JSON has it as it is. */
export const AS_IT_IS: RegExp = /^[ !#-[\]-~]*$/

function quoted(text: string): string {
  return AS_IT_IS.test(text) ? `"${text}"` : JSON.stringify(text)
}

function optional(name: string, value: string | undefined): string {
  return value === undefined ? '' : `,"${name}":${quoted(value)}`
}

/** A process publishes few types of one source, and many events in a millisecond: the member that was written last is written again. */
function repeating(name: string): (value: string) => string {
  let last: string | undefined
  let member = ''
  return (value) => {
    if (value !== last) {
      member = `,"${name}":${quoted(value)}`
      last = value
    }
    return member
  }
}

const sourceMember = repeating('source')
const typeMember = repeating('type')
const timeMember = repeating('time')
const sessionMember = repeating('sessionid')

let lastType: string | undefined
let lastVersion: string | undefined
let lastSchema = ''

function schemaMember({ type, version }: EventMessage): string {
  if (type !== lastType || version !== lastVersion) {
    lastSchema = `,"dataschema":${quoted(dataSchemaOf({ type, version }))}`
    lastType = type
    lastVersion = version
  }
  return lastSchema
}

type Extensions = NonNullable<EventMetadata['extensions']>

function extensionMembers(extensions: Extensions): string {
  let members = ''
  for (const name of Object.keys(extensions).sort()) {
    const hasItsPlace = name === 'dataschema' || name === 'datacontenttype' || name === BINARY_MARK
    if (!hasItsPlace && extensions[name] !== undefined) members += `,"${name}":${JSON.stringify(extensions[name])}`
  }
  return members
}

function dataMembers(data: unknown, extensions: Extensions | undefined): string {
  if (extensions === undefined) return data === undefined ? '' : `${JSON_CONTENT},"data":${JSON.stringify(data)}`
  const isBinary = extensions[BINARY_MARK] === true
  const type = extensions['datacontenttype']
  const contentType =
    type !== undefined
      ? `,"datacontenttype":${JSON.stringify(type)}`
      : data === undefined || isBinary
        ? ''
        : JSON_CONTENT
  return data === undefined
    ? contentType
    : `${contentType},"${isBinary ? BINARY_MARK : 'data'}":${JSON.stringify(data)}`
}

const JSON_CONTENT = ',"datacontenttype":"application/json"'
