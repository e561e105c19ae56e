import {
  type DeadLetter,
  deadLetterOf,
  type DeadLetterRow,
  type NewDeadLetter,
  type NewLaneEntry,
  numberOfLetter,
  seqOf,
  type StoredRecord,
} from '@millrace/core/driver'
import type { Database, Sql, SqlValue } from '../database/database.ts'
import { decodeName, encodeName, encodeOptional } from '../name-codec.ts'
import { SELECT_DEAD_LETTER } from './select-dead-letter.ts'
import { type GroupPlace, groupPlaceOf, lockToken } from './fence.ts'
import { insertEntries, takeEntry } from './lane.ts'
import { orderKeyOf, refreshLaneKeys, setParked } from './lane-keys.ts'

/** Taken letters whose numbers are remembered, so that a letter that comes back has its old id. */
const MOST_REMEMBERED = 10_000
const OF_PLACE = 'group_id = $1 AND topic = $2 AND partition = $3 AND seq = $4 AND generation = $5'
const PUT = `
  INSERT INTO $S.dead_letters (n, group_id, topic, partition, seq, generation, lane_key, code, message, stack, attempts,
    first_failed, last_failed, fingerprint, event_id, type, key, recorded, body)
  VALUES (coalesce((SELECT n FROM $S.taken_letters WHERE ${OF_PLACE}), nextval(pg_get_serial_sequence('$S.dead_letters', 'n'))),
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
  ON CONFLICT (group_id, topic, partition, seq, generation) DO UPDATE SET lane_key = excluded.lane_key,
    code = excluded.code, message = excluded.message, stack = excluded.stack, attempts = excluded.attempts,
    first_failed = excluded.first_failed, last_failed = excluded.last_failed, fingerprint = excluded.fingerprint,
    event_id = excluded.event_id, type = excluded.type, key = excluded.key, recorded = excluded.recorded,
    body = excluded.body`

/** Writes dead letters under their partitions' token, all or nothing. */
export async function putDeadLetters(
  database: Database,
  letters: readonly NewDeadLetter[],
  { token, park }: { readonly token: number; readonly park: boolean },
): Promise<'stored' | 'fenced'> {
  return database.transaction(async (sql) => {
    const places = new Map<string, GroupPlace>()
    const nameOf = ({ group, topic, partition }: NewDeadLetter): string => JSON.stringify([group, topic, partition])
    for (const letter of letters) {
      if (places.has(nameOf(letter))) continue
      const place = await groupPlaceOf(sql, letter)
      if (!(await lockToken(sql, place, token))) return 'fenced'
      places.set(nameOf(letter), place)
    }
    for (const letter of letters) {
      const place = places.get(nameOf(letter))
      if (place === undefined) continue
      await putOne(sql, letter, place)
      await takeEntry(sql, place, letter)
      if (park && letter.laneKey !== undefined) await setParked(sql, place, letter.laneKey, true)
    }
    return 'stored'
  })
}

async function putOne(sql: Sql, letter: NewDeadLetter, { groupId }: GroupPlace): Promise<void> {
  const { record } = letter
  const place = [groupId, letter.topic, letter.partition, seqOf(letter.position), letter.generation] as const
  await sql.run(
    PUT,
    ...place,
    encodeOptional(letter.laneKey),
    letter.code,
    storable(letter.message),
    letter.stack === undefined ? null : storable(letter.stack),
    letter.attempts,
    letter.firstFailedAt,
    letter.lastFailedAt,
    letter.fingerprint,
    encodeName(record.id),
    encodeName(record.type),
    encodeOptional(record.key),
    record.recordedAt,
    record.body,
  )
  await sql.run(`DELETE FROM $S.taken_letters WHERE ${OF_PLACE}`, ...place)
}

/** What a handler threw may hold characters that PostgreSQL does not store. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD')
}

/** Moves letters into the side lane of their group, due at once; returns the ids that were moved. */
export async function requeue(
  database: Database,
  ids: readonly string[],
  replace: StoredRecord | undefined,
): Promise<readonly string[]> {
  return take(database, ids, async (sql, letter, place) => {
    if (place.partitionId === 0) return false
    const entry: NewLaneEntry = {
      group: letter.group,
      laneKey: letter.laneKey,
      record: replace === undefined ? letter.record : { ...replace, position: letter.position },
      delayMs: 0,
      attempts: 0,
      firstFailedAt: undefined,
      reason: 'requeue',
      generation: letter.generation,
    }
    await insertEntries(sql, place, [entry])
    await refreshLaneKeys(sql, place, [orderKeyOf(entry)])
    return true
  })
}

/** Removes letters; returns the ids that were there. */
export async function discard(database: Database, ids: readonly string[]): Promise<readonly string[]> {
  return take(database, ids, async () => true)
}

type OnTaken = (sql: Sql, letter: DeadLetter, place: GroupPlace) => Promise<boolean>

/**
 * Takes letters out one by one, and unparks the keys that no other letter holds. A letter that `onTaken` has no use for
 * (its topic was removed) stays.
 */
async function take(database: Database, ids: readonly string[], onTaken: OnTaken): Promise<readonly string[]> {
  const taken: string[] = []
  for (const id of new Set(ids)) {
    if (await database.transaction((sql) => takeOne(sql, id, onTaken))) taken.push(id)
  }
  if (taken.length > 0) {
    await database.run(
      'DELETE FROM $S.taken_letters WHERE n <= (SELECT n FROM $S.taken_letters ORDER BY n DESC LIMIT 1 OFFSET $1)',
      MOST_REMEMBERED,
    )
  }
  return taken
}

async function takeOne(sql: Sql, id: string, onTaken: OnTaken): Promise<boolean> {
  const n = numberOfLetter(id)
  const row = await sql.first<DeadLetterRow>(`${SELECT_DEAD_LETTER} WHERE d.n = $1 FOR UPDATE OF d`, n)
  if (row === undefined) return false
  const letter = deadLetterOf(row, decodeName)
  const place = await groupPlaceOf(sql, letter)
  // The partition's row orders this with what its owner does to the same keys.
  await sql.rows(
    'SELECT 1 FROM $S.progress WHERE group_id = $1 AND partition_id = $2 FOR UPDATE',
    place.groupId,
    place.partitionId,
  )
  if (!(await onTaken(sql, letter, place))) return false
  const of = [row.group_id, row.topic, row.partition] as const
  await sql.run('DELETE FROM $S.dead_letters WHERE n = $1', n)
  await sql.run(
    'INSERT INTO $S.taken_letters VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING',
    n,
    ...of,
    row.seq,
    row.generation,
  )
  if (row.lane_key !== null && !(await isHeld(sql, of, row.lane_key)))
    await setParked(sql, place, decodeName(row.lane_key), false)
  return true
}

async function isHeld(sql: Sql, of: readonly SqlValue[], laneKey: string): Promise<boolean> {
  const other = await sql.first(
    'SELECT 1 FROM $S.dead_letters WHERE group_id = $1 AND topic = $2 AND partition = $3 AND lane_key = $4 LIMIT 1',
    ...of,
    laneKey,
  )
  return other !== undefined
}
