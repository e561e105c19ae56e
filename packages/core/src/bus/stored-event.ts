import type { Definitions } from '../contract/catalog.ts'
import { encodeEvent } from '../contract/cloud-events.ts'
import { decodeStored, outlineOf } from '../contract/decode-stored.ts'
import type { AnyEventDefinition } from '../contract/event-definition.ts'
import type { EventMessage, EventMetadata, EventPosition, StoredEvent } from '../contract/event.ts'
import type { StoredRecord } from '../driver/record.ts'
import { isMillraceError } from '../runtime/error.ts'

/** A stored record as an event at the latest version that its definition knows. Throws `event_malformed`, `event_unknown_version`, `event_upcast_failed`. */
export function readEvent(record: StoredRecord, definitions: Definitions): StoredEvent {
  return read(record, definitions).event
}

/** An event, and whether it says no more and no less than what is stored. */
interface Read {
  readonly event: StoredEvent
  readonly isAsStored: boolean
}

function read(record: StoredRecord, definitions: Definitions): Read {
  const message = decodeStored(record.body, record)
  const definition = definitions.get(message.type)
  const isAsStored = isLatest(message, definition)
  const event = (isAsStored ? message : { ...message, ...upcast(definition, message) }) as Writable<StoredEvent>
  // Set one by one: to assign an object of them takes as long as half of the envelope.
  event.topic = record.topic
  event.partition = record.partition
  event.position = record.position
  event.recordedAt = timestampOf(record.recordedAt)
  return { event, isAsStored }
}

function isLatest(
  { version }: Pick<EventMessage, 'version'>,
  definition: AnyEventDefinition | undefined,
): definition is undefined {
  return definition === undefined || version === String(definition.version)
}

type Writable<Value> = { -readonly [Name in keyof Value]: Value[Name] }

function upcast(
  definition: AnyEventDefinition,
  message: EventMessage,
): { readonly data: unknown; readonly version: string } {
  return { data: definition.upcast(message.data, message.version), version: String(definition.version) }
}

/**
 * A stored record for browsing: a version that this process does not know is shown as it is stored, and bytes that are no
 * event give undefined, so that one of them does not hide the others.
 */
export function browsableEvent(record: StoredRecord, definitions: Definitions): StoredEvent | undefined {
  return browsable(record, definitions)?.event
}

/** A stored event as text, with its place. */
export interface StoredText extends EventPosition {
  /** CloudEvents JSON, without the place. */
  readonly body: string
  readonly extensions: EventMetadata['extensions']
}

/** As `browsableEvent`, as text: what is stored, unread where its envelope shows that it is of the latest version. */
export function browsableText(record: StoredRecord, definitions: Definitions): StoredText | undefined {
  const outline = outlineOf(record.body, record)
  if (outline !== undefined && isLatest(outline, definitions.get(outline.type)))
    return textOf(record, record.body, outline.extensions)
  const found = browsable(record, definitions)
  if (found === undefined) return undefined
  const body = found.isAsStored ? record.body : encodeEvent(found.event, ANY_SIZE)
  return textOf(record, body, found.event.metadata.extensions)
}

/** What is stored may be read, whatever its size has become since: an upcaster can make it longer. */
const ANY_SIZE = { eventBytes: Number.POSITIVE_INFINITY }

function textOf(record: StoredRecord, body: string, extensions: StoredText['extensions']): StoredText {
  const { topic, partition, position, recordedAt } = record
  return { topic, partition, position, recordedAt: timestampOf(recordedAt), body, extensions }
}

function browsable(record: StoredRecord, definitions: Definitions): Read | undefined {
  try {
    return read(record, definitions)
  } catch (error) {
    if (!isMillraceError(error)) throw error
    return definitions === NO_DEFINITIONS ? undefined : browsable(record, NO_DEFINITIONS)
  }
}

const NO_DEFINITIONS: Definitions = { get: () => undefined }

let lastMs = -1
let lastText = ''

function timestampOf(ms: number): string {
  if (ms !== lastMs) {
    lastMs = ms
    lastText = new Date(ms).toISOString()
  }
  return lastText
}
