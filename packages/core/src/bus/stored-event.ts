import type { Definitions } from '../contract/catalog.ts'
import { decodeStored } from '../contract/decode-stored.ts'
import type { AnyEventDefinition } from '../contract/event-definition.ts'
import type { EventMessage, StoredEvent } from '../contract/event.ts'
import type { StoredRecord } from '../driver/record.ts'
import { isMillraceError } from '../runtime/error.ts'

/** A stored record as an event at the latest version that its definition knows. Throws `event_malformed`, `event_unknown_version`, `event_upcast_failed`. */
export function readEvent(record: StoredRecord, definitions: Definitions): StoredEvent {
  return read(record, definitions).event
}

function read(record: StoredRecord, definitions: Definitions): Browsable {
  const message = decodeStored(record.body, record)
  const definition = definitions.get(message.type)
  const latest =
    definition === undefined || message.version === String(definition.version) ? undefined : upcast(definition, message)
  const event = (latest === undefined ? message : { ...message, ...latest }) as Writable<StoredEvent>
  // Set one by one: to assign an object of them takes as long as half of the envelope.
  event.topic = record.topic
  event.partition = record.partition
  event.position = record.position
  event.recordedAt = timestampOf(record.recordedAt)
  return { event, body: latest === undefined ? record.body : undefined }
}

type Writable<Value> = { -readonly [Name in keyof Value]: Value[Name] }

function upcast(
  definition: AnyEventDefinition,
  message: EventMessage,
): { readonly data: unknown; readonly version: string } {
  return { data: definition.upcast(message.data, message.version), version: String(definition.version) }
}

/** A stored record for browsing as an event; see `browsable`. */
export function browsableEvent(record: StoredRecord, definitions: Definitions): StoredEvent | undefined {
  return browsable(record, definitions)?.event
}

/** An event with the body that it was read from, unless an upcaster has changed it since. */
export interface Browsable {
  readonly event: StoredEvent
  readonly body: string | undefined
}

/**
 * A stored record for browsing: a version that this process does not know is shown as it is stored, and bytes that are no
 * event give undefined, so that one of them does not hide the others.
 */
export function browsable(record: StoredRecord, definitions: Definitions): Browsable | undefined {
  try {
    return read(record, definitions)
  } catch (error) {
    if (isMillraceError(error, 'event_malformed')) return undefined
    if (isMillraceError(error)) return read(record, NO_DEFINITIONS)
    throw error
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
