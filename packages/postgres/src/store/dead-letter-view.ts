import {
  type DeadLetter,
  type DeadLetterCount,
  deadLetterOf,
  type DeadLetterQuery,
  type DeadLetterRow,
  type EventPlace,
  numberOfLetter,
  positionOf,
  seqOf,
} from '@millrace/core/driver'
import type { Database, SqlValue } from '../database/database.ts'
import { decodeName, encodeName } from '../name-codec.ts'
import { SELECT_DEAD_LETTER } from './select-dead-letter.ts'

/** Newest first. */
export async function listDeadLetters(database: Database, query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
  const conditions: string[] = []
  const values: SqlValue[] = [query.limit]
  const where = (condition: string, value: SqlValue | undefined): void => {
    if (value === undefined) return
    values.push(value)
    conditions.push(`${condition} $${values.length}`)
  }
  where('g.name =', query.group)
  where('d.fingerprint =', query.fingerprint)
  where('d.topic =', query.topic)
  where('d.type =', query.type === undefined ? undefined : encodeName(query.type))
  where('d.event_id =', query.eventId === undefined ? undefined : encodeName(query.eventId))
  where('d.last_failed >=', query.since)
  where('d.last_failed <', query.until)
  where('d.n <', query.after === undefined ? undefined : numberOfLetter(query.after))
  const condition = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  const rows = await database.rows<DeadLetterRow>(
    `${SELECT_DEAD_LETTER} ${condition} ORDER BY d.n DESC LIMIT $1`,
    ...values,
  )
  return rows.map((row) => deadLetterOf(row, decodeName))
}

export async function getDeadLetter(database: Database, id: string): Promise<DeadLetter | undefined> {
  const row = await database.first<DeadLetterRow>(`${SELECT_DEAD_LETTER} WHERE d.n = $1`, numberOfLetter(id))
  return row === undefined ? undefined : deadLetterOf(row, decodeName)
}

/** Which of these positions are dead-lettered already from their first delivery. */
export async function deadLettersAmong(
  database: Database,
  { group, topic, partition }: Omit<EventPlace, 'position'>,
  positions: readonly string[],
): Promise<readonly string[]> {
  const rows = await database.arrays<[seq: number]>(
    `SELECT d.seq FROM $S.dead_letters d WHERE d.group_id = (SELECT id FROM $S.groups WHERE name = $1)
       AND d.topic = $2 AND d.partition = $3 AND d.seq = ANY ($4::bigint[]) AND d.generation = 0 ORDER BY d.seq`,
    group,
    topic,
    partition,
    positions.map(seqOf),
  )
  return rows.map(([seq]) => positionOf(seq))
}

/** By group and fingerprint, with the newest message of each. */
export async function countDeadLetters(
  database: Database,
  group: string | undefined,
): Promise<readonly DeadLetterCount[]> {
  return database.rows<DeadLetterCount>(
    `SELECT g.name AS "group", d.fingerprint, (array_agg(d.code ORDER BY d.last_failed DESC, d.n DESC))[1] AS code,
       (array_agg(d.message ORDER BY d.last_failed DESC, d.n DESC))[1] AS message, count(*) AS count,
       max(d.last_failed) AS "lastFailedAt"
     FROM $S.dead_letters d JOIN $S.groups g ON g.id = d.group_id WHERE $1::text IS NULL OR g.name = $1
     GROUP BY g.name, d.fingerprint ORDER BY g.name, count DESC, d.fingerprint`,
    group ?? null,
  )
}
