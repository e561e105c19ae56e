import { MillraceError, seqOf, type StartAt } from '@millrace/core/driver'
import type { Database, Sql } from '../database/database.ts'
import { unknownTopic } from './topics.ts'

interface Place {
  readonly id: number
  readonly partition: number
  readonly head: number
}

/** Makes a group start where it has no progress yet. Throws `topic_unknown`. */
export async function ensureGroup(
  database: Database,
  group: string,
  topics: readonly string[],
  from: StartAt,
): Promise<void> {
  await database.transaction(async (sql) => {
    const places: Place[] = []
    for (const topic of topics) places.push(...(await requirePartitions(sql, topic)))
    const groupId = await createGroup(sql, group)
    const starts = await startSeqs(sql, places, from)
    await sql.run(
      `INSERT INTO $S.progress (group_id, partition_id, settled, token)
       SELECT $1, w.id, w.settled, $S.next_token_1() FROM unnest($2::int[], $3::bigint[]) AS w(id, settled)
       WHERE NOT EXISTS (SELECT 1 FROM $S.progress q WHERE q.group_id = $1 AND q.partition_id = w.id)
       ORDER BY w.id ON CONFLICT DO NOTHING`,
      groupId,
      places.map(({ id }) => id),
      starts,
    )
  })
}

/** Moves a group in one topic and fences off its members. Throws `group_unknown`, `topic_unknown`. */
export async function seek(database: Database, group: string, topic: string, to: StartAt): Promise<void> {
  await database.transaction(async (sql) => {
    const places = await requirePartitions(sql, topic)
    const groupId = await requireGroup(sql, group)
    const held = await sql.rows(
      `SELECT 1 FROM $S.progress WHERE group_id = $1 AND partition_id = ANY ($2::int[]) ORDER BY partition_id FOR UPDATE`,
      groupId,
      places.map(({ id }) => id),
    )
    if (held.length === 0) {
      throw new MillraceError('group_unknown', `The group "${group}" does not read the topic "${topic}".`)
    }
    await sql.run(
      `UPDATE $S.progress q SET token = $S.next_token_1(), owner = NULL, clean = true, settled = w.settled,
         fetched_high = 0, ahead_count = 0, ahead = '[]', attempts = '[]', starting = NULL
       FROM unnest($2::int[], $3::bigint[]) AS w(id, settled) WHERE q.group_id = $1 AND q.partition_id = w.id`,
      groupId,
      places.map(({ id }) => id),
      await startSeqs(sql, places, to),
    )
  })
}

/** Removes a group with its progress, members, side lane and dead letters. Throws `group_unknown`. */
export async function removeGroup(database: Database, group: string): Promise<void> {
  await database.transaction(async (sql) => {
    const groupId = await requireGroup(sql, group)
    await sql.run('DELETE FROM $S.members WHERE group_name = $1', group)
    await sql.run('DELETE FROM $S.inbox WHERE group_name = $1', group)
    await sql.run('DELETE FROM $S.groups WHERE id = $1', groupId)
  })
}

/** The number of a group; it is given one if it has none. */
export async function createGroup(sql: Sql, group: string): Promise<number> {
  const known = await sql.first<{ id: number }>('SELECT id FROM $S.groups WHERE name = $1', group)
  if (known !== undefined) return known.id
  await sql.run('INSERT INTO $S.groups (name) VALUES ($1) ON CONFLICT DO NOTHING', group)
  return requireGroup(sql, group)
}

async function requireGroup(sql: Sql, group: string): Promise<number> {
  const row = await sql.first<{ id: number }>('SELECT id FROM $S.groups WHERE name = $1', group)
  if (row === undefined) throw new MillraceError('group_unknown', `The group "${group}" does not exist.`)
  return row.id
}

async function requirePartitions(sql: Sql, topic: string): Promise<Place[]> {
  const rows = await sql.rows<Place>(
    `SELECT p.id, p.partition, p.head FROM $S.topics t JOIN $S.partitions p ON p.topic = t.id
     WHERE t.name = $1 ORDER BY p.partition`,
    topic,
  )
  if (rows.length === 0) throw unknownTopic(topic)
  return rows
}

async function startSeqs(sql: Sql, places: readonly Place[], from: StartAt): Promise<number[]> {
  if (from === 'earliest') return places.map(() => 0)
  if (from === 'latest') return places.map(({ head }) => head)
  if ('time' in from) {
    const rows = await sql.arrays<[id: number, seq: number]>(
      'SELECT id, $S.seq_since_1(id, $2) - 1 FROM unnest($1::int[]) id',
      places.map(({ id }) => id),
      from.time,
    )
    const seqs = new Map(rows)
    return places.map(({ id }) => seqs.get(id) ?? 0)
  }
  return places.map(({ partition, head }) => {
    const after = from.after.find((place) => place.partition === partition)
    const seq = seqOf(after?.position)
    if (seq <= head) return seq
    throw new MillraceError(
      'position_invalid',
      `The position ${after?.position} is beyond the newest event of partition ${partition}.`,
    )
  })
}
