import { MillraceError, type Retention, type TopicInfo, type TopicOptions } from '@millrace/core/driver'
import { MAX_PARTITION_ID } from '../position.ts'
import type { TopicState } from './topic-cache.ts'
import type { WriterState } from './writer-state.ts'

const DEFAULT_PARTITIONS = 16
const MOST_PARTITIONS = 4_096

/** Creates a topic or returns the one that is there, with its retention replaced when one is given. */
export function ensureTopic(
  state: WriterState,
  { topic, options }: { readonly topic: string; readonly options: TopicOptions },
): TopicInfo {
  const found = state.topics.get(topic)
  if (found === undefined) {
    createTopic(state, topic, options)
  } else if (options.retention !== undefined) {
    state.sql.run('UPDATE topics SET retention = ? WHERE id = ?', retentionText(options.retention), found.id)
    state.topics.clear()
    state.retentionWanted = true
  }
  return topicInfo(requireTopic(state, topic))
}

/** The topic as the writer knows it. Throws `topic_unknown`. */
export function requireTopic(state: WriterState, name: string): TopicState {
  const topic = state.topics.get(name)
  if (topic === undefined) throw new MillraceError('topic_unknown', `The topic "${name}" does not exist.`)
  return topic
}

/** Makes the topic invisible at once; its events go later, in small chunks. Dead letters stay. Throws `topic_unknown`. */
export function removeTopic(state: WriterState, { topic: name }: { readonly topic: string }): void {
  const topic = requireTopic(state, name)
  for (const { id } of topic.partitions) {
    state.sql.run('INSERT INTO removed_partitions (id) VALUES (?)', id)
    for (const table of ['lane', 'lane_keys', 'progress']) {
      state.sql.run(`DELETE FROM ${table} WHERE partition_id = ?`, id)
    }
  }
  state.sql.run('DELETE FROM partitions WHERE topic = ?', topic.id)
  state.sql.run('DELETE FROM topics WHERE id = ?', topic.id)
  state.topics.clear()
  state.retentionWanted = true
}

function createTopic(state: WriterState, name: string, options: TopicOptions): void {
  const partitions = options.partitions ?? DEFAULT_PARTITIONS
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > MOST_PARTITIONS) {
    throw new MillraceError(
      'limit_exceeded',
      `The topic "${name}" cannot have ${partitions} partitions: 1 to ${MOST_PARTITIONS} are allowed.`,
    )
  }
  const retention = retentionText(options.retention ?? {})
  state.sql.run('INSERT INTO topics (name, partitions, retention) VALUES (?, ?, ?)', name, partitions, retention)
  const id = state.sql.get<{ id: number }>('SELECT id FROM topics WHERE name = ?', name)?.id ?? 0
  const insert = state.sql.prepared('INSERT INTO partitions (topic, partition) VALUES (?, ?)')
  for (let partition = 0; partition < partitions; partition++) {
    if (Number(insert.run(id, partition).lastInsertRowid) > MAX_PARTITION_ID) {
      throw new MillraceError('limit_exceeded', `The file has given out all of its ${MAX_PARTITION_ID} partition ids.`)
    }
  }
}

function retentionText({ maxAgeMs, maxEvents, maxBytes, whenUnread }: Retention): string {
  return JSON.stringify({ maxAgeMs, maxEvents, maxBytes, whenUnread })
}

function topicInfo(topic: TopicState): TopicInfo {
  const sum = (value: (partition: TopicState['partitions'][number]) => number): number =>
    topic.partitions.reduce((total, partition) => total + value(partition), 0)
  return {
    topic: topic.name,
    partitions: topic.partitions.length,
    epoch: topic.epoch,
    retention: topic.retention,
    published: sum(({ head }) => head),
    held: sum(({ head, dropped }) => head - dropped),
    bytes: sum(({ bytes }) => bytes),
    expiredUnread: sum(({ expired }) => expired),
  }
}
