import { MillraceError } from '@millrace/core/driver'
import type { PublishBatch, PublishReply } from '../loop/publish-batch.ts'
import { encodeError } from '../loop/error-codec.ts'
import type { PartitionState, TopicState } from './topic-cache.ts'
import { unreadOf } from './unread.ts'
import type { WriterState } from './writer-state.ts'

const INSERT = `
  INSERT INTO events (pos, recorded, type, source, id, key, correlation, body)
  VALUES ((?1 << 44) | ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING`
const SELECT_DUPLICATE = `
  SELECT topics.name AS topic, partitions.partition, events.pos & 0xFFFFFFFFFFF AS seq, events.body
  FROM events LEFT JOIN partitions ON partitions.id = events.pos >> 44 LEFT JOIN topics ON topics.id = partitions.topic
  WHERE events.id = ? AND events.source = ?`
const DELETE_REMOVED = 'DELETE FROM events WHERE id = ? AND source = ?'

/** Stores a batch in its order; a record that cannot be stored does not keep back the others. */
export function publish(state: WriterState, batch: PublishBatch): PublishReply {
  const insert = state.sql.prepared(INSERT)
  const topics = batch.topics.map((name) => state.topics.get(name))
  const types = batch.types.map((name) => state.types.idOf(name))
  const sources = batch.sources.map((name) => state.sources.idOf(name))
  const rooms = topics.map((topic) => (topic === undefined ? undefined : roomOf(state, topic, batch.bodies.length)))
  const now = state.now()
  const seqs: number[] = []
  const reply: PublishReply = { seqs, duplicates: [], failures: [] }
  for (const [index, body] of batch.bodies.entries()) {
    const topicIndex = batch.topicOf[index] ?? 0
    const topic = topics[topicIndex]
    const partition = topic?.partitions[batch.partitionOf[index] ?? 0]
    const room = rooms[topicIndex]
    const bytes = Buffer.byteLength(body)
    seqs.push(0)
    if (topic === undefined || partition === undefined || room === undefined) {
      reply.failures.push([index, encodeError(unknownPlace(batch, index, topic))])
    } else if (bytes > state.maxBytes) {
      reply.failures.push([index, encodeError(tooLarge(bytes, state.maxBytes))])
    } else if (room.events <= 0 || room.bytes <= 0) {
      reply.failures.push([index, encodeError(topicFull(topic))])
    } else {
      const id = batch.ids[index] ?? ''
      const source = sources[batch.sourceOf[index] ?? 0] ?? 0
      const recorded = Math.max(partition.recorded, now)
      const attempt = (): boolean =>
        insert.run(
          partition.id,
          partition.head + 1,
          recorded,
          types[batch.typeOf[index] ?? 0] ?? 0,
          source,
          id,
          batch.keys[index] ?? null,
          batch.correlations[index] ?? null,
          body,
        ).changes === 1
      if (attempt() || (isOfRemovedTopic(state, reply, index, id, source) && attempt())) {
        seqs[index] = append(partition, bytes, recorded)
        room.events -= 1
        room.bytes -= bytes
      }
      if (index === 1) state.fault('mid-batch')
    }
  }
  for (const topic of topics) if (topic !== undefined) state.topics.save(topic)
  return reply
}

function append(partition: PartitionState, bytes: number, recorded: number): number {
  partition.head += 1
  partition.bytes += bytes
  partition.recorded = recorded
  partition.changed = true
  return partition.head
}

/** Reports the duplicate; true when the stored event is only the remains of a removed topic and is gone now. */
function isOfRemovedTopic(state: WriterState, reply: PublishReply, index: number, id: string, source: number): boolean {
  const row = state.sql.get<{ topic: string | null; partition: number; seq: number; body: string }>(
    SELECT_DUPLICATE,
    id,
    source,
  )
  if (row === undefined) {
    throw new MillraceError('engine_corrupt', `${state.path} holds an event where its partition's head says none is.`)
  }
  if (row.topic === null) {
    state.sql.run(DELETE_REMOVED, id, source)
    return true
  }
  reply.duplicates.push([index, row.partition, row.seq, row.body])
  return false
}

/** How much a topic may still take: everything, unless unread events alone fill it to its hard cap. */
function roomOf(state: WriterState, topic: TopicState, wanted: number): { events: number; bytes: number } {
  const { maxEvents = Infinity, maxBytes = Infinity, whenUnread = 'keep' } = topic.retention
  if (maxEvents === Infinity && maxBytes === Infinity) return { events: Infinity, bytes: Infinity }
  let events = maxEvents
  let bytes = maxBytes
  for (const partition of topic.partitions) {
    events -= partition.head - partition.dropped
    bytes -= partition.bytes
  }
  if (events >= wanted && bytes > 0) return { events, bytes }
  state.retentionWanted = true
  if (whenUnread === 'expire') return { events: Infinity, bytes: Infinity }
  const unread = unreadOf(state, topic)
  return { events: maxEvents - unread.events, bytes: maxBytes - unread.bytes }
}

function unknownPlace(batch: PublishBatch, index: number, topic: TopicState | undefined): MillraceError {
  const name = batch.topics[batch.topicOf[index] ?? 0] ?? ''
  if (topic === undefined) return new MillraceError('topic_unknown', `The topic "${name}" does not exist.`)
  const partition = batch.partitionOf[index] ?? 0
  return new MillraceError(
    'topic_mismatch',
    `The topic "${name}" has ${topic.partitions.length} partitions; there is no partition ${partition}.`,
  )
}

function tooLarge(bytes: number, maxBytes: number): MillraceError {
  return new MillraceError('limit_exceeded', `The event has ${bytes} bytes; at most ${maxBytes} are stored.`, {
    facts: { bytes, maxBytes },
  })
}

function topicFull(topic: TopicState): MillraceError {
  return new MillraceError(
    'topic_full',
    `The topic "${topic.name}" is at its hard cap with events that a group has not read. Wait for the group, raise the cap or let unread events expire.`,
    { retriable: true },
  )
}
