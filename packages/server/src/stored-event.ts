import type { StoredEvent, StoredText } from '@millrace/core'
import { encodeEvent, encodeStored } from '@millrace/core/contract'

/** What is stored may be read, whatever its size has become since: an upcaster can make it longer. */
const ANY_SIZE = { eventBytes: Number.POSITIVE_INFINITY }

/** A stored event as CloudEvents JSON in one line; see `storedText`. */
export function storedEventText(event: StoredEvent): string {
  const { topic, partition, position, recordedAt, metadata } = event
  const body = encodeEvent(event, ANY_SIZE)
  return storedText({ topic, partition, position, recordedAt, body, extensions: metadata.extensions })
}

/**
 * A stored event as CloudEvents JSON in one line, with `recordedtime`, `partition` and `position`; and `topic`, unless an
 * extension of the event has that name.
 */
export function storedText(stored: StoredText): string {
  const hasTopic = stored.extensions?.['topic'] !== undefined
  return encodeStored(stored.body, hasTopic ? { ...stored, topic: undefined } : stored)
}
