import {
  type GroupInfo,
  type Listing,
  MillraceError,
  type Retention,
  type TopicInfo,
  type TopicOptions,
} from '@millrace/core/driver'
import type { Database, Sql } from '../database/database.ts'

const DEFAULT_PARTITIONS = 16
const MOST_PARTITIONS = 4_096

/** Creates a topic or returns the one that is there, with its retention replaced when one is given. */
export async function ensureTopic(database: Database, topic: string, options: TopicOptions): Promise<TopicInfo> {
  const found = await readTopics(database, topic)
  if (found[0] !== undefined && options.retention === undefined) return found[0]
  const partitions = options.partitions ?? DEFAULT_PARTITIONS
  if (found[0] === undefined && !(Number.isInteger(partitions) && partitions >= 1 && partitions <= MOST_PARTITIONS)) {
    throw new MillraceError(
      'limit_exceeded',
      `The topic "${topic}" cannot have ${partitions} partitions: 1 to ${MOST_PARTITIONS} are allowed.`,
    )
  }
  await database.transaction(async (sql) => {
    if (found[0] === undefined) await sql.run('SELECT $S.create_topic_1($1, $2)', topic, partitions)
    if (options.retention !== undefined) await setRetention(sql, topic, options.retention)
  })
  const [info] = await readTopics(database, topic)
  if (info === undefined) throw unknownTopic(topic)
  return info
}

async function setRetention(sql: Sql, topic: string, retention: Retention): Promise<void> {
  const { maxAgeMs, maxEvents, maxBytes, whenUnread } = retention
  await sql.run(
    'UPDATE $S.topics SET retention = $2, max_age = $3, max_events = $4, max_bytes = $5, expire = $6 WHERE name = $1',
    topic,
    JSON.stringify({ maxAgeMs, maxEvents, maxBytes, whenUnread }),
    maxAgeMs ?? null,
    maxEvents ?? null,
    maxBytes ?? null,
    whenUnread === 'expire',
  )
}

/** Makes the topic invisible at once; its tables go in the background. Dead letters stay. Throws `topic_unknown`. */
export async function removeTopic(database: Database, topic: string): Promise<void> {
  const removed = await database.transaction(async (sql) => {
    const row = await sql.first<{ id: number }>('SELECT id FROM $S.topics WHERE name = $1 FOR UPDATE', topic)
    if (row === undefined) return false
    await sql.run('INSERT INTO $S.doomed_segments (id) SELECT id FROM $S.segments WHERE topic = $1', row.id)
    // The side lane keeps count by itself, and must do so before the partitions go.
    const ofTopic = 'partition_id IN (SELECT id FROM $S.partitions WHERE topic = $1)'
    await sql.run(`DELETE FROM $S.lane WHERE ${ofTopic}`, row.id)
    await sql.run('DELETE FROM $S.topics WHERE id = $1', row.id)
    return true
  })
  if (!removed) throw unknownTopic(topic)
}

/** All topics and groups by name. */
export async function list(database: Database): Promise<Listing> {
  const [topics, [rest]] = await Promise.all([
    readTopics(database, null),
    database.rows<{ readonly timeline: number; readonly groups: readonly GroupInfo[] }>(
      `SELECT $S.timeline_1() AS timeline, (SELECT coalesce(json_agg(o), '[]') FROM (
         SELECT g.name AS "group", (SELECT coalesce(json_agg(n.name ORDER BY n.name), '[]') FROM (
           SELECT DISTINCT t.name FROM $S.progress r JOIN $S.partitions p ON p.id = r.partition_id
           JOIN $S.topics t ON t.id = p.topic WHERE r.group_id = g.id) n) AS topics
         FROM $S.groups g ORDER BY g.name) o) AS groups`,
    ),
  ])
  // 0 where it cannot be told, -1 on a standby.
  const { timeline = 0, groups = [] } = rest ?? {}
  return { topics, groups, ...(timeline > 0 ? { timeline: String(timeline) } : {}) }
}

async function readTopics(sql: Sql, topic: string | null): Promise<readonly TopicInfo[]> {
  const rows = await sql.rows<Omit<TopicInfo, 'retention'> & { retention: string }>(
    `SELECT t.name AS topic, t.partitions, t.epoch, t.retention, sum(p.head)::bigint AS published,
       sum(p.head - f.dropped)::bigint AS held, sum(p.bytes - f.bytes)::bigint AS bytes,
       sum(f.expired)::bigint AS "expiredUnread"
     FROM $S.topics t JOIN $S.partitions p ON p.topic = t.id JOIN $S.floors f ON f.partition_id = p.id
     WHERE $1::text IS NULL OR t.name = $1 GROUP BY t.id ORDER BY t.name`,
    topic,
  )
  return rows.map((row) => ({ ...row, retention: JSON.parse(row.retention) as Retention }))
}

/** The error for a topic that is not there. */
export function unknownTopic(topic: string): MillraceError {
  return new MillraceError('topic_unknown', `The topic "${topic}" does not exist.`)
}
