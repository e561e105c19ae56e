import { decodeEvent } from './cloud-events.ts'
import { extensionsOf, metadataOf } from './decode-attributes.ts'
import type { EventMessage, EventMetadata } from './event.ts'
import { AS_IT_IS, writeEvent } from './write-event.ts'

/** What an engine tells of an event beside its body. */
export interface KnownAttributes {
  readonly id: string
  readonly type: string
  readonly key: string | undefined
}

/** What events of a type have in common: the pieces of their text between what each has of its own, and one of them, read. */
interface Form {
  /** From the end of the id to the time. */
  readonly head: string
  /** From the end of the time to the key, or to the correlation where there is no key. */
  readonly middle: string
  /** From the end of the correlation to the data. */
  readonly tail: string
  readonly message: EventMessage
  /** How often in a row it has not fitted. */
  missed: number
}

const START = '{"specversion":"1.0","id":"'
const TIME = ',"time":"'
const KEY = ',"partitionkey":"'
const CORRELATION = '","correlationid":"'
const DATA = ',"datacontenttype":"application/json","data":'
const TIME_CHARACTERS = 24
const QUOTE = 34
const BRACE = 125
/** Whoever keeps a piece of a body keeps all of it: of a longer one each attribute is copied out. Characters. */
const LONGEST = 4_096
/** Events of a second source must not drive out the form of the first. */
const MOST_MISSED = 8
const MOST_FORMS = 64
/** What `writeEvent` writes before the tail or after it. */
const ELSEWHERE =
  'id source type subject time dataschema partitionkey correlationid datacontenttype data data_base64'.split(' ')
const TRUSTED = { trusted: true } as const

const forms = new Map<string, Form>()

/**
 * Reads a body that `encodeEvent` wrote and an engine kept. Most events differ from the one before of their type in few places, which
 * are where the engine's columns say: the rest of the envelope is compared, not parsed, which halves the work. What does not
 * fit is decoded as any event. Throws as `decodeEvent`.
 */
export function decodeStored(body: string, known: KnownAttributes): EventMessage {
  const form = forms.get(known.type)
  const isPlain = body.length <= LONGEST && isClosed(body)
  const fitted = form !== undefined && isPlain ? readByForm(body, known, form) : undefined
  if (fitted !== undefined) return fitted
  const message = decodeEvent(body, body.includes('"__proto__"') ? {} : TRUSTED)
  if (isPlain && (form === undefined || ++form.missed > MOST_MISSED)) learn(body, known, message)
  return message
}

/** What the envelope tells whoever may pass a stored event on as the text that it is. */
export interface Outline {
  readonly type: string
  readonly version: string
  readonly extensions: EventMetadata['extensions']
}

/**
 * The outline of a body that `encodeEvent` wrote, without a look at its data; undefined where it takes reading all of it to know.
 * `decodeStored` does so, and learns what the next one of its type probably looks like.
 */
export function outlineOf(body: string, known: KnownAttributes): Outline | undefined {
  const form = forms.get(known.type)
  const envelope = form !== undefined && isClosed(body) ? envelopeByForm(body, known, form) : undefined
  if (form === undefined || envelope === undefined) return undefined
  form.missed = 0
  const { type, version } = form.message
  return { type, version, extensions: envelope.metadata.extensions }
}

/** Whether it ends as an object does, and holds no name that would poison one. */
function isClosed(body: string): boolean {
  return body.charCodeAt(body.length - 1) === BRACE && !body.includes('__proto__')
}

function readByForm(body: string, known: KnownAttributes, form: Form): EventMessage | undefined {
  const envelope = envelopeByForm(body, known, form)
  const data = envelope === undefined ? undefined : parsed(body.slice(envelope.dataAt, -1))
  if (envelope === undefined || data === undefined) return undefined
  const { type, version, source, subject } = form.message
  const { timestamp, metadata } = envelope
  const message: { -readonly [Name in keyof EventMessage]: EventMessage[Name] } = {
    id: known.id,
    type,
    version,
    timestamp,
    source,
    data,
    metadata,
  }
  if (subject !== undefined) message.subject = subject
  if (known.key !== undefined) message.key = known.key
  form.missed = 0
  return message
}

/** The value of a JSON text; undefined when it is none: what is wrong with it is told by whoever reads all of it. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** What an event has of its own beside what the engine knows of it. */
interface Envelope {
  readonly timestamp: string
  readonly metadata: EventMetadata
  /** Where the data begins in the body. */
  readonly dataAt: number
}

function envelopeByForm(body: string, { id, key }: KnownAttributes, form: Form): Envelope | undefined {
  const idEnd = START.length + id.length
  const timeAt = idEnd + form.head.length
  const middleAt = timeAt + TIME_CHARACTERS
  let at = middleAt + form.middle.length
  if (body.slice(0, START.length) !== START || body.slice(START.length, idEnd) !== id) return undefined
  if (body.slice(idEnd, timeAt) !== form.head) return undefined
  if (body.slice(middleAt, at) !== form.middle || (key === undefined) !== (form.message.key === undefined))
    return undefined
  if (key !== undefined) {
    const keyEnd = at + key.length
    if (body.slice(at, keyEnd) !== key || body.slice(keyEnd, keyEnd + CORRELATION.length) !== CORRELATION)
      return undefined
    at = keyEnd + CORRELATION.length
  }
  const isRoot = body.charCodeAt(at + id.length) === QUOTE && body.slice(at, at + id.length) === id
  const end = isRoot ? at + id.length : body.indexOf('"', at)
  const correlationId = isRoot ? id : body.slice(at, end)
  const timestamp = body.slice(timeAt, middleAt)
  if (correlationId === '' || !AS_IT_IS.test(timestamp) || !(isRoot || AS_IT_IS.test(correlationId))) return undefined
  if (body.slice(end, end + form.tail.length) === form.tail) {
    return { timestamp, metadata: { ...form.message.metadata, correlationId }, dataAt: end + form.tail.length }
  }
  const tailEnd = body.indexOf(DATA, end)
  const metadata = tailEnd === -1 ? undefined : tailOf(body.slice(end + 1, tailEnd), correlationId)
  return metadata === undefined ? undefined : { timestamp, metadata, dataAt: tailEnd + DATA.length }
}

/** Metadata of an event whose cause, user or trace is its own; undefined when the members are no tail of ours. */
function tailOf(members: string, correlationId: string): EventMetadata | undefined {
  try {
    const attributes = JSON.parse(`{"specversion":"1.0"${members}}`) as Readonly<Record<string, unknown>>
    if (attributes['specversion'] !== '1.0' || ELSEWHERE.some((name) => name in attributes)) return undefined
    return metadataOf(attributes, correlationId, extensionsOf(attributes))
  } catch {
    return undefined
  }
}

/** Keeps the form of a body that has one, as the next of its type will probably have it. */
function learn(body: string, { id, type, key }: KnownAttributes, message: EventMessage): void {
  const idEnd = START.length + id.length
  const timeAt = body.indexOf(TIME, idEnd) + TIME.length
  const middleAt = timeAt + TIME_CHARACTERS
  const keyAt = key === undefined ? undefined : body.indexOf(KEY, middleAt) + KEY.length
  const correlationAt = body.indexOf(CORRELATION, keyAt ?? middleAt) + CORRELATION.length
  const end = body.indexOf('"', correlationAt)
  const dataAt = body.indexOf(DATA, end) + DATA.length
  const form: Form = {
    head: body.slice(idEnd, timeAt),
    middle: body.slice(middleAt, keyAt ?? correlationAt),
    tail: body.slice(end, dataAt),
    // Whoever is given the message may change its metadata.
    message: { ...message, data: undefined, metadata: { ...message.metadata } },
    missed: 0,
  }
  const isOurs = message.metadata.extensions === undefined && isAsWritten(body.slice(0, dataAt), message)
  const read = isOurs ? readByForm(body, { id, type, key }, form) : undefined
  if (read?.timestamp !== message.timestamp || read.metadata.correlationId !== message.metadata.correlationId) return
  if (forms.size >= MOST_FORMS) forms.clear()
  forms.set(type, form)
}

/** Whether members come in our order and once, up to the data. */
function isAsWritten(envelope: string, message: EventMessage): boolean {
  return writeEvent({ ...message, data: 0 }) === `${envelope}0}`
}
