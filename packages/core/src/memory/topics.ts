import type { PublishOutcome, PublishRecord } from '../driver/record.ts'
import type { TopicInfo, TopicOptions } from '../driver/transport.ts'
import { MillraceError } from '../runtime/error.ts'
import type { MemoryEngine } from './engine.ts'
import { createPartitionLog } from './partition-log.ts'
import { dropFirst, isFull, retain } from './retention.ts'
import type { TopicState } from './topic-state.ts'
import { weightOf } from './weight.ts'

const DEFAULT_PARTITIONS = 16
const MOST_PARTITIONS = 4_096
/** The largest body, in bytes of UTF-8. */
export const MAX_EVENT_BYTES: number = 1024 * 1024
const encoder = new TextEncoder()

/** Creates the topic unless it exists; replaces its retention when one is given. Throws `limit_exceeded`. */
export function ensureTopic(engine: MemoryEngine, name: string, options: TopicOptions, now: number): TopicInfo {
  const known = engine.topics.get(name)
  const topic = known ?? createTopic(name, options.partitions ?? DEFAULT_PARTITIONS)
  if (options.retention !== undefined) topic.retention = { ...options.retention }
  if (known === undefined) engine.topics.set(name, topic)
  else retain(engine, topic, now)
  return infoOf(topic)
}

/** The topic. Throws `topic_unknown`. */
export function topicOf(engine: MemoryEngine, name: string): TopicState {
  const topic = engine.topics.get(name)
  if (topic !== undefined) return topic
  throw new MillraceError('topic_unknown', `The topic "${name}" does not exist. Publish to it or create it first.`)
}

/** What `list` tells of a topic. */
export function infoOf(topic: TopicState): TopicInfo {
  return {
    topic: topic.topic,
    partitions: topic.partitions.length,
    epoch: 1,
    retention: topic.retention,
    published: topic.partitions.reduce((sum, { head }) => sum + head, 0),
    held: topic.held,
    bytes: topic.bytes,
    expiredUnread: topic.expiredUnread,
  }
}

/** Stores records in their order, one outcome each, then wakes those who wait for the topics. */
export function publish(engine: MemoryEngine, records: readonly PublishRecord[], now: number): PublishOutcome[] {
  const touched = new Set<TopicState>()
  const outcomes = records.map((record) => publishOne(engine, record, now, touched))
  for (const topic of touched) {
    retain(engine, topic, now)
    for (const wake of topic.watchers) wake()
  }
  return outcomes
}

/** Takes the events of a topic out of the engine and forgets it. */
export function removeTopic(engine: MemoryEngine, name: string): void {
  const topic = topicOf(engine, name)
  for (const log of topic.partitions) while (log.head > log.dropped) dropFirst(engine, topic, log)
  engine.topics.delete(name)
  for (const wake of topic.watchers) wake()
}

function createTopic(topic: string, partitions: number): TopicState {
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > MOST_PARTITIONS) {
    throw new MillraceError(
      'limit_exceeded',
      `The topic "${topic}" cannot have ${partitions} partitions: 1 to ${MOST_PARTITIONS} are possible.`,
    )
  }
  return {
    topic,
    retention: {},
    partitions: Array.from({ length: partitions }, (_, partition) => createPartitionLog(partition)),
    held: 0,
    bytes: 0,
    expiredUnread: 0,
    watchers: new Set(),
  }
}

function publishOne(
  engine: MemoryEngine,
  record: PublishRecord,
  now: number,
  touched: Set<TopicState>,
): PublishOutcome {
  const topic = engine.topics.get(record.topic)
  const log = topic?.partitions[record.partition]
  if (topic === undefined || log === undefined) return rejected(unknownPlace(record, topic))
  const known = engine.index.find(record.id, record.source)
  if (known !== undefined) {
    const { partition, position, body } = known.record
    return { outcome: 'duplicate', partition, position, body }
  }
  const bytes = byteLength(record.body)
  if (bytes > MAX_EVENT_BYTES) return rejected(tooLarge(bytes))
  const weight = weightOf(record.body)
  if (engine.bytes + weight > engine.maxBytes) {
    retain(engine, topic, now)
    if (engine.bytes + weight > engine.maxBytes) return rejected(engineFull(engine))
  }
  if (isFull(engine, topic, record.body.length, now)) return rejected(topicFull(topic))
  const event = log.append(record, now)
  engine.index.add(event)
  engine.bytes += weight
  topic.held += 1
  topic.bytes += record.body.length
  touched.add(topic)
  return { outcome: 'stored', partition: record.partition, position: event.record.position }
}

function rejected(error: MillraceError): PublishOutcome {
  return { outcome: 'rejected', error }
}

function unknownPlace(record: PublishRecord, topic: TopicState | undefined): MillraceError {
  if (topic === undefined) {
    return new MillraceError('topic_unknown', `The topic "${record.topic}" does not exist. Create it first.`)
  }
  return new MillraceError(
    'topic_mismatch',
    `The topic "${topic.topic}" has ${topic.partitions.length} partitions; there is no partition ${record.partition}.`,
  )
}

/** Encodes only what could be too large: most bodies are short. */
function byteLength(body: string): number {
  return body.length * 3 <= MAX_EVENT_BYTES ? body.length : encoder.encode(body).length
}

function tooLarge(bytes: number): MillraceError {
  return new MillraceError('limit_exceeded', `The event has ${bytes} bytes; at most ${MAX_EVENT_BYTES} are stored.`, {
    facts: { bytes, maxBytes: MAX_EVENT_BYTES },
  })
}

function engineFull(engine: MemoryEngine): MillraceError {
  return new MillraceError(
    'engine_full',
    `The memory engine holds ${engine.bytes} bytes and may hold ${engine.maxBytes}. Set a retention, or raise maxBytes.`,
    { retriable: true, facts: { bytes: engine.bytes, maxBytes: engine.maxBytes } },
  )
}

function topicFull({ topic, held }: TopicState): MillraceError {
  return new MillraceError(
    'topic_full',
    `The topic "${topic}" is at its hard cap with ${held} events that a group has not read. Wait for the group, raise the cap or let unread events expire.`,
    { retriable: true, facts: { topic, held } },
  )
}
