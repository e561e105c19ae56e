import { encodeEvent } from '@millrace/core/contract'
import type { StoredEvent } from '@millrace/core'

/** An event as CloudEvents JSON with its place, as `--json` prints it and `publish` takes it again. */
export function cloudEventOf({ topic, partition, position, recordedAt, ...event }: StoredEvent): object {
  const attributes: unknown = JSON.parse(encodeEvent(event, { eventBytes: Number.POSITIVE_INFINITY }))
  return { ...Object(attributes), recordedtime: recordedAt, topic, partition: String(partition), position }
}
