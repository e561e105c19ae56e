import type { Statements } from '../file/statements.ts'
import type { PartitionState, TopicState } from './topic-cache.ts'
import { type PartitionReaders, readersOf } from './unread.ts'
import type { WriterState } from './writer-state.ts'

/** Rows dropped in one transaction: small enough that publishes beside it hardly notice. */
const CHUNK = 1_000
const FRONT_ROWS = 64

const SELECT_FRONT = `
  SELECT recorded, octet_length(body) FROM events WHERE pos > ((?1 << 44) | ?2) AND pos <= ((?1 << 44) | ?3)
  ORDER BY pos LIMIT ?4`
const DELETE_FRONT = 'DELETE FROM events WHERE pos > ((?1 << 44) | ?2) AND pos <= ((?1 << 44) | ?3)'

/** Whether there is anything to look at, so that idle processes never take the writer lock. */
export function mayDrop(sql: Statements, now: number): boolean {
  const row = sql.get<{ may: number }>(
    `SELECT EXISTS (SELECT 1 FROM topics WHERE retention <> '{}') OR EXISTS (SELECT 1 FROM removed_partitions)
       OR EXISTS (SELECT 1 FROM inbox WHERE keep_until < ?) AS may`,
    now,
  )
  return row?.may === 1
}

/** Drops at most a chunk of what is beyond the limits of its topic, of removed topics, or of inboxes; whether there may be more. */
export function dropChunk(state: WriterState): boolean {
  if (dropRemoved(state) >= CHUNK) return true
  if (dropRemembered(state) >= CHUNK) return true
  for (const { name } of state.sql.all<{ name: string }>(`SELECT name FROM topics WHERE retention <> '{}'`)) {
    const topic = state.topics.get(name)
    if (topic !== undefined && dropFrom(state, topic) >= CHUNK) return true
  }
  return false
}

function dropRemoved(state: WriterState): number {
  const removed = state.sql.get<{ id: number }>('SELECT id FROM removed_partitions LIMIT 1')
  if (removed === undefined) return 0
  const dropped = state.sql.run(
    `DELETE FROM events WHERE pos IN (
       SELECT pos FROM events WHERE pos >= (?1 << 44) AND pos < ((?1 + 1) << 44) ORDER BY pos LIMIT ${CHUNK})`,
    removed.id,
  )
  if (dropped < CHUNK) state.sql.run('DELETE FROM removed_partitions WHERE id = ?', removed.id)
  return CHUNK
}

/** Inbox rows that nobody can need any more. */
function dropRemembered({ sql, now }: WriterState): number {
  return sql.run(
    `DELETE FROM inbox WHERE (group_name, source, id, generation) IN (
       SELECT group_name, source, id, generation FROM inbox WHERE keep_until < ? ORDER BY keep_until LIMIT ${CHUNK})`,
    now(),
  )
}

interface Front {
  readonly partition: PartitionState
  readonly readers: PartitionReaders
  /** Nothing beyond this may be dropped. */
  readonly bound: number
  readonly from: number
  rows: [recorded: number, bytes: number][]
  at: number
}

/** Drops the oldest events first, over all partitions of the topic, for as long as a limit is exceeded. */
function dropFrom(state: WriterState, topic: TopicState): number {
  const { maxAgeMs = Infinity, maxEvents = Infinity, maxBytes = Infinity, whenUnread = 'keep' } = topic.retention
  if (maxAgeMs === Infinity && maxEvents === Infinity && maxBytes === Infinity) return 0
  const fronts = topic.partitions.map((partition): Front => {
    const readers = readersOf(state, partition.id)
    const bound = whenUnread === 'keep' ? Math.min(readers.settledByAll, partition.head) : partition.head
    return { partition, readers, bound, from: partition.dropped, rows: [], at: 0 }
  })
  const oldest = state.now() - maxAgeMs
  let events = fronts.reduce((sum, { partition }) => sum + partition.head - partition.dropped, 0)
  let bytes = fronts.reduce((sum, { partition }) => sum + partition.bytes, 0)
  let dropped = 0
  while (dropped < CHUNK) {
    const front = oldestFront(state, fronts)
    const row = front?.rows[front.at]
    if (front === undefined || row === undefined) break
    if (row[0] >= oldest && events <= maxEvents && bytes <= maxBytes) break
    const { partition } = front
    partition.dropped += 1
    partition.bytes -= row[1]
    partition.changed = true
    if (front.readers.isUnread(partition.dropped)) partition.expired += 1
    front.at += 1
    events -= 1
    bytes -= row[1]
    dropped += 1
  }
  for (const { partition, from } of fronts) {
    if (partition.dropped > from) state.sql.run(DELETE_FRONT, partition.id, from, partition.dropped)
  }
  if (dropped > 0) state.fault('mid-retention')
  state.topics.save(topic)
  return dropped
}

/** The partition whose first droppable event is the oldest; its next rows are loaded as they are needed. */
function oldestFront(state: WriterState, fronts: readonly Front[]): Front | undefined {
  let oldest: Front | undefined
  for (const front of fronts) {
    const { partition, bound } = front
    if (front.at >= front.rows.length && partition.dropped < bound) {
      front.rows = state.sql.arrays(SELECT_FRONT, partition.id, partition.dropped, bound, FRONT_ROWS)
      front.at = 0
    }
    const recorded = front.rows[front.at]?.[0]
    if (recorded === undefined || partition.dropped >= bound) continue
    if (oldest === undefined || recorded < (oldest.rows[oldest.at]?.[0] ?? 0)) oldest = front
  }
  return oldest
}
