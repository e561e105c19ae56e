import { MillraceError, type Retention, type TopicOptions } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { ENSURE_PARTITION, ENSURE_TOPIC } from '../scripts/topics.ts'

const DEFAULT_PARTITIONS = 16
const MOST_PARTITIONS = 4_096

/** A topic as the registry has it. */
export interface Topic {
  readonly topic: string
  readonly partitions: number
  /** Tells this topic from one of the same name that was removed. */
  readonly incarnation: string
  readonly retention: Retention
}

/** What is known of topics: read from the server once, and again when it has turned out to be stale. */
export interface Registry {
  /** Throws `limit_exceeded`. */
  ensure(topic: string, options: TopicOptions): Promise<Topic>
  /** The topic, read if it is not known. Throws `topic_unknown`. */
  topic(topic: string): Promise<Topic>
  /** The topic if it is known, without asking. */
  known(topic: string): Topic | undefined
  forget(topic: string): void
  /** Every topic, read anew, by name. */
  all(): Promise<readonly Topic[]>
  /** The topics of every group, by name. */
  groups(): Promise<ReadonlyMap<string, readonly string[]>>
  /** Topics and groups that this process has asked for: what it makes again after a flush. */
  readonly wanted: { readonly topics: ReadonlyMap<string, TopicOptions>; readonly groups: Map<string, Set<string>> }
}

export function createRegistry(redis: Connection): Registry {
  const known = new Map<string, Topic>()
  const wanted = { topics: new Map<string, TopicOptions>(), groups: new Map<string, Set<string>>() }

  async function load(topic: string): Promise<Topic> {
    const text = await redis.call(['HGET', redis.keys.topics, topic], redis.keys.topics)
    if (typeof text !== 'string') {
      known.delete(topic)
      throw topicUnknown(topic)
    }
    const found = parseTopic(topic, text)
    known.set(topic, found)
    return found
  }

  return {
    async ensure(topic, { partitions = DEFAULT_PARTITIONS, retention }) {
      if (!Number.isInteger(partitions) || partitions < 1 || partitions > MOST_PARTITIONS) {
        throw new MillraceError(
          'limit_exceeded',
          `The topic "${topic}" cannot have ${partitions} partitions: 1 to ${MOST_PARTITIONS} are possible.`,
        )
      }
      const wish = retention === undefined ? '' : JSON.stringify(retention)
      const args = [topic, String(partitions), wish]
      const made = parseTopic(topic, String(await redis.run(ENSURE_TOPIC, [redis.keys.topics], args)))
      await ensurePartitions(redis, made)
      known.set(topic, made)
      wanted.topics.set(topic, { partitions: made.partitions, retention: made.retention })
      return made
    },
    topic: async (topic) => known.get(topic) ?? load(topic),
    known: (topic) => known.get(topic),
    forget(topic) {
      known.delete(topic)
    },
    async all() {
      const topics = pairsOf(await redis.call(['HGETALL', redis.keys.topics], redis.keys.topics))
        .map(([topic, text]) => parseTopic(topic, text))
        .toSorted((a, b) => (a.topic < b.topic ? -1 : 1))
      for (const topic of topics) known.set(topic.topic, topic)
      return topics
    },
    async groups() {
      const fields = (await redis.call(['HKEYS', redis.keys.groups], redis.keys.groups)) as readonly string[]
      const groups = new Map<string, string[]>()
      for (const field of [...fields].toSorted()) {
        const [group, topic] = JSON.parse(field) as [string, string]
        groups.set(group, [...(groups.get(group) ?? []), topic])
      }
      return new Map([...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    },
    wanted,
  }
}

/** The field of a group's topic in the registry. */
export function groupField(group: string, topic: string): string {
  return JSON.stringify([group, topic])
}

/** Makes what is missing of a topic's partitions. */
export async function ensurePartitions(redis: Connection, { topic, partitions, incarnation }: Topic): Promise<void> {
  await Promise.all(
    Array.from({ length: partitions }, (_, partition) => {
      const { log, meta, ids, flows } = redis.keys.partition(topic, partition)
      return redis.run(ENSURE_PARTITION, [log, meta, ids, flows], [incarnation])
    }),
  )
}

/** Field and value in turn as pairs; a client that speaks RESP3 gives them as an object or a map. */
export function pairsOf(reply: unknown): [string, string][] {
  if (reply instanceof Map) return [...(reply as Map<string, string>)]
  if (!Array.isArray(reply)) return Object.entries((reply ?? {}) as Record<string, string>)
  const pairs: [string, string][] = []
  for (let at = 0; at + 1 < reply.length; at += 2) pairs.push([String(reply[at]), String(reply[at + 1])])
  return pairs
}

/** The error for a topic that does not exist. */
export function topicUnknown(topic: string): MillraceError {
  return new MillraceError('topic_unknown', `The topic "${topic}" does not exist. Publish to it or create it first.`)
}

function parseTopic(topic: string, text: string): Topic {
  const [partitions = '', incarnation = '', retention = '{}'] = text.split('\n')
  return { topic, partitions: Number(partitions), incarnation, retention: JSON.parse(retention) as Retention }
}
