import { eventDigest, MillraceError, type OutboxRecord, partitionOf, type TopicOptions } from '@millrace/core/driver'
import { decodeError } from '../loop/error-codec.ts'
import { encodeRecords } from '../loop/publish-batch.ts'
import { publish } from './publish.ts'
import { ensureTopic, requireTopic } from './topics.ts'
import type { WriterState } from './writer-state.ts'

/**
 * Stores records in whatever transaction is open, and makes the topics that are missing. Throws for the first record that cannot be
 * stored: `event_conflict`, `topic_full`, `limit_exceeded`; what was written until then is for the caller to undo.
 */
export function appendRecords(
  state: WriterState,
  records: readonly OutboxRecord[],
  topicOptions: { readonly get: (topic: string) => TopicOptions | undefined },
): void {
  const placed = records.map((record) => {
    if (state.topics.get(record.topic) === undefined) {
      ensureTopic(state, { topic: record.topic, options: topicOptions.get(record.topic) ?? {} })
    }
    const { partitions } = requireTopic(state, record.topic)
    return { ...record, partition: partitionOf(record.key ?? record.id, partitions.length) }
  })
  const { duplicates, failures } = publish(state, encodeRecords(placed))
  const failure = failures[0]
  if (failure !== undefined) throw decodeError(failure[1])
  for (const [at, , , body] of duplicates) {
    const record = placed[at]
    if (record !== undefined && body !== record.body && eventDigest(body) !== eventDigest(record.body)) {
      throw conflict(record)
    }
  }
}

function conflict({ id, source, topic }: OutboxRecord): MillraceError {
  return new MillraceError(
    'event_conflict',
    `An event with the id "${id}" of the source "${source}" is stored with other content. Give the new event an id of its own.`,
    { facts: { id, topic } },
  )
}
