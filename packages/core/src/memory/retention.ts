import type { MemoryEngine } from './engine.ts'
import { isSettled, settledSequences, type GroupPartition } from './group-state.ts'
import type { HeldEvent, PartitionLog } from './partition-log.ts'
import type { TopicState } from './topic-state.ts'
import { weightOf } from './weight.ts'

/** Drops what is beyond the topic's limits and may go. */
export function retain(engine: MemoryEngine, topic: TopicState, now: number): void {
  const { maxAgeMs, maxEvents = Infinity, maxBytes = Infinity } = topic.retention
  if (maxAgeMs !== undefined) dropOlderThan(engine, topic, now - maxAgeMs)
  while (topic.held > maxEvents || topic.bytes > maxBytes) if (!dropOldest(engine, topic)) return
}

/** Whether a body of this length finds no room because unread events alone reach the topic's hard cap. */
export function isFull(engine: MemoryEngine, topic: TopicState, length: number, now: number): boolean {
  const { maxEvents = Infinity, maxBytes = Infinity, whenUnread = 'keep' } = topic.retention
  if (whenUnread === 'expire') return false
  const hasRoom = (): boolean => topic.held < maxEvents && topic.bytes + length <= maxBytes
  if (hasRoom()) return false
  retain(engine, topic, now)
  while (!hasRoom()) if (!dropOldest(engine, topic)) return topic.held > 0
  return false
}

/** Drops the oldest event of a partition. */
export function dropFirst(engine: MemoryEngine, topic: TopicState, log: PartitionLog): HeldEvent | undefined {
  const event = log.dropFirst()
  if (event === undefined) return undefined
  engine.index.remove(event)
  topic.held -= 1
  topic.bytes -= event.record.body.length
  engine.bytes -= weightOf(event.record.body)
  return event
}

function dropOlderThan(engine: MemoryEngine, topic: TopicState, time: number): void {
  for (const log of topic.partitions) {
    if ((log.at(log.dropped + 1)?.record.recordedAt ?? Infinity) >= time) continue
    const readers = readersOf(engine, topic, log)
    const last = lastDroppable(topic, log, readers)
    while (log.dropped < last && (log.at(log.dropped + 1)?.record.recordedAt ?? Infinity) < time) {
      drop(engine, topic, log, readers)
    }
  }
}

/** Drops the oldest event that may go; false when there is none. */
function dropOldest(engine: MemoryEngine, topic: TopicState): boolean {
  let oldest: PartitionLog | undefined
  let oldestAt = Infinity
  for (const log of topic.partitions) {
    const recordedAt = log.at(log.dropped + 1)?.record.recordedAt ?? Infinity
    if (recordedAt >= oldestAt || lastDroppable(topic, log, readersOf(engine, topic, log)) <= log.dropped) continue
    oldest = log
    oldestAt = recordedAt
  }
  if (oldest === undefined) return false
  drop(engine, topic, oldest, readersOf(engine, topic, oldest))
  return true
}

function drop(engine: MemoryEngine, topic: TopicState, log: PartitionLog, readers: readonly GroupPartition[]): void {
  const sequence = log.dropped + 1
  if (readers.some((reader) => !isSettled(reader.progress, sequence))) topic.expiredUnread += 1
  dropFirst(engine, topic, log)
}

function readersOf(engine: MemoryEngine, topic: TopicState, log: PartitionLog): readonly GroupPartition[] {
  const readers: GroupPartition[] = []
  for (const group of engine.groups.values()) {
    const reader = group.topics.get(topic.topic)?.[log.partition]
    if (reader !== undefined) readers.push(reader)
  }
  return readers
}

function lastDroppable(topic: TopicState, log: PartitionLog, readers: readonly GroupPartition[]): number {
  if (topic.retention.whenUnread === 'expire') return log.head
  return Math.min(log.head, ...settledSequences(readers))
}
