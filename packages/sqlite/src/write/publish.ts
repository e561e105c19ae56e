import { MillraceError } from '@millrace/core/driver'
import type { SQLInputValue } from 'node:sqlite'
import type { PublishBatch, PublishReply } from '../loop/publish-batch.ts'
import { encodeError } from '../loop/error-codec.ts'
import type { PartitionState, TopicState } from './topic-cache.ts'
import { unreadOf } from './unread.ts'
import type { WriterState } from './writer-state.ts'

/** So many records share a statement: what SQLite does for each statement is a sixth of what a record costs the writer. */
const TOGETHER = 20
const INSERT_ONE = insertOf(1)
const INSERT_TOGETHER = insertOf(TOGETHER)
const DELETE = 'DELETE FROM events WHERE pos = ((? << 44) | ?) AND id = ? AND source = ?'
const SELECT_DUPLICATE = `
  SELECT topics.name AS topic, partitions.partition, events.pos & 0xFFFFFFFFFFF AS seq, events.body
  FROM events LEFT JOIN partitions ON partitions.id = events.pos >> 44 LEFT JOIN topics ON topics.id = partitions.topic
  WHERE events.id = ? AND events.source = ?`
const DELETE_REMOVED = 'DELETE FROM events WHERE id = ? AND source = ?'

/** Stores a batch in its order; a record that cannot be stored does not keep back the others. */
export function publish(state: WriterState, batch: PublishBatch): PublishReply {
  const topics = batch.topics.map((name) => state.topics.get(name))
  const types = batch.types.map((name) => state.types.idOf(name))
  const sources = batch.sources.map((name) => state.sources.idOf(name))
  const rooms = topics.map((topic) => topic && roomOf(state, topic, batch.bodies.length))
  const sizes = batch.bodies.map((body) => Buffer.byteLength(body))
  const now = state.now()
  const seqs = sizes.map(() => 0)
  const reply: PublishReply = { seqs, duplicates: [], failures: [] }
  const reject = (index: number, error: MillraceError): void => void reply.failures.push([index, encodeError(error)])
  const roomFor = (index: number): Room | undefined => rooms[batch.topicOf[index] ?? 0]
  const sourceOf = (index: number): number => sources[batch.sourceOf[index] ?? 0] ?? 0
  const partitionOf = (index: number): PartitionState | undefined =>
    topics[batch.topicOf[index] ?? 0]?.partitions[batch.partitionOf[index] ?? 0]

  /** Stores records that have a place and fit, at the next positions of their partitions: all of them, or none. */
  function store(first: number, rows: number): boolean {
    const values: SQLInputValue[] = []
    for (let index = first; index < first + rows; index += 1) {
      const partition = partitionOf(index)
      if (partition === undefined) continue
      seqs[index] = append(partition, sizes[index] ?? 0, now)
      values.push(
        partition.id,
        partition.head,
        partition.recorded,
        types[batch.typeOf[index] ?? 0] ?? 0,
        sourceOf(index),
      )
      values.push(batch.ids[index] ?? '', batch.keys[index] ?? null, batch.correlations[index] ?? null)
      values.push(batch.bodies[index] ?? '')
    }
    const { changes } = state.sql.prepared(rows === 1 ? INSERT_ONE : INSERT_TOGETHER).run(...values)
    if (changes === rows) {
      for (let index = first; index < first + rows; index += 1) occupy(roomFor(index), sizes[index] ?? 0)
      return true
    }
    let removed = 0
    for (let index = first; index < first + rows; index += 1) removed += takeBack(index, changes !== 0)
    // One that was there before has the place of one of these: nothing of it may be lost.
    const partition = partitionOf(first)
    if (removed !== changes && partition !== undefined) throw headBehind(state, partition)
    return false
  }

  /** A position that was not used is the next one again: there are no gaps. Returns how many rows it has removed. */
  function takeBack(index: number, maybeStored: boolean): number {
    const partition = partitionOf(index)
    const seq = seqs[index] ?? 0
    if (partition === undefined) return 0
    const removed = maybeStored ? state.sql.run(DELETE, partition.id, seq, batch.ids[index] ?? '', sourceOf(index)) : 0
    partition.head -= 1
    partition.bytes -= sizes[index] ?? 0
    seqs[index] = 0
    return removed
  }

  function storeTogether(first: number): boolean {
    let bytes = 0
    for (let index = first; index < first + TOGETHER; index += 1) bytes += sizes[index] ?? 0
    for (let index = first; index < first + TOGETHER; index += 1) {
      const room = roomFor(index)
      if (partitionOf(index) === undefined || room === undefined || (sizes[index] ?? 0) > state.maxBytes) return false
      if (room.events < TOGETHER || room.bytes < bytes) return false
    }
    return store(first, TOGETHER)
  }

  function storeAlone(index: number): void {
    const bytes = sizes[index] ?? 0
    const topic = topics[batch.topicOf[index] ?? 0]
    const partition = partitionOf(index)
    const room = roomFor(index)
    if (topic === undefined || partition === undefined || room === undefined) {
      return reject(index, unknownPlace(batch, index, topic))
    }
    if (bytes > state.maxBytes) return reject(index, tooLarge(bytes, state.maxBytes))
    const isFull = room.events <= 0 || room.bytes < (room.events === room.most ? 1 : bytes)
    if (!isFull && store(index, 1)) return
    const known = findStored(state, batch.ids[index] ?? '', sourceOf(index))
    if (known !== undefined) reply.duplicates.push([index, known.partition, known.seq, known.body])
    else if (isFull) reject(index, topicFull(topic))
    // What stood in the way was left over from a removed topic, and is gone now.
    else if (!store(index, 1)) throw headBehind(state, partition)
  }

  for (let first = 0; first < sizes.length; first += TOGETHER) {
    const next = Math.min(first + TOGETHER, sizes.length)
    if (next - first === TOGETHER && storeTogether(first)) {
      if (first === 0) state.fault('mid-batch')
      continue
    }
    for (let index = first; index < next; index += 1) {
      if (index === 1) state.fault('mid-batch')
      storeAlone(index)
    }
  }
  for (const topic of topics) if (topic !== undefined) state.topics.save(topic)
  return reply
}

/** A statement for many rows that could fail in their midst would write a copy of each page that it changes to a file: this one cannot. */
function insertOf(rows: number): string {
  const row = '((? << 44) | ?, ?, ?, ?, ?, ?, ?, ?)'
  return `
  INSERT OR IGNORE INTO events (pos, recorded, type, source, id, key, correlation, body)
  VALUES ${Array.from({ length: rows }, () => row).join(', ')}`
}

function append(partition: PartitionState, bytes: number, now: number): number {
  partition.head += 1
  partition.bytes += bytes
  partition.recorded = Math.max(partition.recorded, now)
  partition.changed = true
  return partition.head
}

function occupy(room: Room | undefined, bytes: number): void {
  if (room === undefined) return
  room.events -= 1
  room.bytes -= bytes
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
