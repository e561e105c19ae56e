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
  const rooms = topics.map((topic) => topic && roomOf(state, topic, batch.bodies.length))
  const now = state.now()
  const seqs: number[] = []
  const reply: PublishReply = { seqs, duplicates: [], failures: [] }
  const reject = (index: number, error: MillraceError): void => void reply.failures.push([index, encodeError(error)])
  for (const [index, body] of batch.bodies.entries()) {
    seqs.push(0)
    if (index === 1) state.fault('mid-batch')
    const topicIndex = batch.topicOf[index] ?? 0
    const topic = topics[topicIndex]
    const room = rooms[topicIndex]
    const partition = topic?.partitions[batch.partitionOf[index] ?? 0]
    if (topic === undefined || partition === undefined || room === undefined) {
      reject(index, unknownPlace(batch, index, topic))
      continue
    }
    const bytes = Buffer.byteLength(body)
    if (bytes > state.maxBytes) {
      reject(index, tooLarge(bytes, state.maxBytes))
      continue
    }
    const id = batch.ids[index] ?? ''
    const source = sources[batch.sourceOf[index] ?? 0] ?? 0
    const recorded = Math.max(partition.recorded, now)
    const store = (): boolean =>
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
    const isFull = room.events <= 0 || room.bytes < (room.events === room.most ? 1 : bytes)
    if (!isFull && store()) {
      seqs[index] = append(partition, bytes, recorded)
    } else {
      const known = findStored(state, id, source)
      if (known !== undefined) reply.duplicates.push([index, known.partition, known.seq, known.body])
      else if (isFull) reject(index, topicFull(topic))
      // What stood in the way was left over from a removed topic, and is gone now.
      else if (store()) seqs[index] = append(partition, bytes, recorded)
      else throw headBehind(state, partition)
    }
    if (seqs[index] === 0) continue
    room.events -= 1
    room.bytes -= bytes
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

interface Stored {
  readonly partition: number
  readonly seq: number
  readonly body: string
}

/** The stored event of an id; one that is left over from a removed topic is deleted and not found. */
function findStored({ sql }: WriterState, id: string, source: number): Stored | undefined {
  const row = sql.get<Stored & { readonly topic: string | null }>(SELECT_DUPLICATE, id, source)
  if (row === undefined || row.topic !== null) return row
  sql.run(DELETE_REMOVED, id, source)
  return undefined
}

/** Never to be seen; it would be a silent loss if it were, so the whole batch is refused. */
function headBehind({ path }: WriterState, { id, head }: PartitionState): MillraceError {
  return new MillraceError(
    'engine_corrupt',
    `${path} holds an event at ${head + 1} in partition ${id}, whose head says that it ends at ${head}. Restore a backup.`,
  )
}

/** What a topic may still take; `most` is its room when it holds nothing unread, and then one event of any size fits. */
interface Room {
  readonly most: number
  events: number
  bytes: number
}

const UNLIMITED: Room = { most: Infinity, events: Infinity, bytes: Infinity }

/** How much a topic may still take: everything, unless unread events alone fill it to its hard cap. */
function roomOf(state: WriterState, topic: TopicState, wanted: number): Room {
  const { maxEvents = Infinity, maxBytes = Infinity, whenUnread = 'keep' } = topic.retention
  if (maxEvents === Infinity && maxBytes === Infinity) return UNLIMITED
  let events = maxEvents
  let bytes = maxBytes
  for (const partition of topic.partitions) {
    events -= partition.head - partition.dropped
    bytes -= partition.bytes
  }
  if (events >= wanted && bytes >= maxBytes / 2) return { most: maxEvents, events, bytes }
  state.retentionWanted = true
  if (whenUnread === 'expire') return UNLIMITED
  const unread = unreadOf(state, topic)
  return { most: maxEvents, events: maxEvents - unread.events, bytes: maxBytes - unread.bytes }
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
