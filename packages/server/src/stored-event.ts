import type { StoredEvent } from '@millrace/core'
import { encodeEvent, encodeStored } from '@millrace/core/contract'

/** What is stored may be read, whatever its size has become since: an upcaster can make it longer. */
const ANY_SIZE = { eventBytes: Number.POSITIVE_INFINITY }

/**
 * A stored event as CloudEvents JSON in one line, with `recordedtime`, `partition` and `position`; and `topic`, unless an
 * extension of the event has that name. `stored` is its body, where that is at hand.
 */
export function storedEventText(event: StoredEvent, stored: string = encodeEvent(event, ANY_SIZE)): string {
  const body = encodeStored(stored, event)
  if (event.metadata.extensions?.['topic'] !== undefined) return body
  return `{"topic":${JSON.stringify(event.topic)},${body.slice(1)}`
}
