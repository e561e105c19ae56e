import { type LaneChanges, MillraceError, type NewLaneEntry, seqOf } from '@millrace/core/driver'
import type { Database, Sql } from '../database/database.ts'
import { stateOf } from '../database/postgres-error.ts'
import { encodeName, encodeOptional } from '../name-codec.ts'
import { type GroupPlace, groupPlaceOf } from './fence.ts'
import { orderKeyOf, refreshLaneKeys, setParked } from './lane-keys.ts'

/** Adds entries, all or nothing. Throws `lane_full`, `group_unknown`, `topic_unknown`. */
export async function addToLane(
  database: Database,
  entries: readonly NewLaneEntry[],
  options: { readonly token?: number; readonly capacity: number },
): Promise<'added' | 'fenced'> {
  const places = await byPlace(database, entries)
  const [only] = places
  if (only !== undefined && places.length === 1) return (await addAll(database, only, options)) ? 'added' : 'fenced'
  return database
    .transaction(async (sql) => {
      for (const place of places) {
        // A refusal in the middle throws away what was written before it.
        if (!(await addAll(sql, place, options))) throw FENCED
      }
      return 'added' as const
    })
    .catch(fencedOr)
}

/** Adds entries of one place in one statement; false when the lease has moved on. */
async function addAll(
  sql: Sql,
  { place, first, entries }: PlacedEntries,
  { token, capacity }: { readonly token?: number; readonly capacity: number },
): Promise<boolean> {
  if (place.groupId === 0) throw new MillraceError('group_unknown', `The group "${first.group}" does not exist.`)
  if (place.partitionId === 0) {
    throw new MillraceError('topic_unknown', `The topic "${first.record.topic}" has no such partition.`)
  }
  try {
    const row = await sql.first<{ added: boolean }>(
      'SELECT $S.add_to_lane_1($1, $2, $3, $4, $5) AS added',
      place.groupId,
      place.partitionId,
      token ?? null,
      Math.min(capacity, Number.MAX_SAFE_INTEGER),
      JSON.stringify(entries.map(rowOf)),
    )
    return row?.added === true
  } catch (error) {
    const cause = error instanceof MillraceError ? error.cause : undefined
    if (!(cause instanceof Error) || stateOf(cause) !== 'MRFUL') throw error
    throw laneFull(first.group, Number(cause.message), capacity)
  }
}

function laneFull(group: string, held: number, capacity: number): MillraceError {
  return new MillraceError(
    'lane_full',
    `The side lane of the group "${group}" would hold ${held} entries; its capacity is ${capacity}.`,
    { retriable: true, facts: { held, capacity } },
  )
}

function rowOf(entry: NewLaneEntry): object {
  return {
    seq: seqOf(entry.record.position),
    generation: entry.generation,
    lane_key: encodeOptional(entry.laneKey),
    order_key: orderKeyOf(entry),
    delay: entry.delayMs,
    attempts: entry.attempts,
    first_failed: entry.firstFailedAt,
    reason: entry.reason,
    event_id: encodeName(entry.record.id),
    type: encodeName(entry.record.type),
    key: encodeOptional(entry.record.key),
    recorded: entry.record.recordedAt,
    body: entry.record.body,
  }
}

/** Writes entries of one place; one whose event waits already is left as it is. */
export async function insertEntries(
  sql: Sql,
  { groupId, partitionId }: GroupPlace,
  entries: readonly NewLaneEntry[],
): Promise<void> {
  await sql.run(
    `INSERT INTO $S.lane (group_id, partition_id, seq, generation, lane_key, order_key, due, attempts, first_failed, reason,
       event_id, type, key, recorded, body)
     SELECT $1, $2, r.seq, r.generation, r.lane_key, r.order_key, $S.now_ms() + ceil(r.delay)::bigint, r.attempts,
       r.first_failed, r.reason, r.event_id, r.type, r.key, r.recorded, r.body
     FROM ROWS FROM (json_to_recordset($3::json) AS (seq bigint, generation bigint, lane_key text, order_key text,
       delay float8, attempts integer, first_failed bigint, reason text, event_id text, type text, key text,
       recorded bigint, body text)) WITH ORDINALITY AS r(seq, generation, lane_key, order_key, delay, attempts,
       first_failed, reason, event_id, type, key, recorded, body, n)
     ORDER BY r.n ON CONFLICT DO NOTHING`,
    groupId,
    partitionId,
    JSON.stringify(entries.map(rowOf)),
  )
}

/** Removes the entry of an event and generation, if it waits. */
export async function takeEntry(
  sql: Sql,
  place: GroupPlace,
  { position, generation }: { readonly position: string; readonly generation: number },
): Promise<void> {
  const gone = await sql.rows<{ order_key: string }>(
    `DELETE FROM $S.lane WHERE group_id = $1 AND partition_id = $2 AND seq = $3 AND generation = $4 RETURNING order_key`,
    place.groupId,
    place.partitionId,
    seqOf(position),
    generation,
  )
  await refreshLaneKeys(
    sql,
    place,
    gone.map(({ order_key: orderKey }) => orderKey),
  )
}

/** Removes, postpones and parks under the token, all or nothing, in one statement. */
export async function settleLane(database: Database, changes: LaneChanges): Promise<'done' | 'fenced'> {
  const { group, topic, partition, token, done, postponed, park = [] } = changes
  const later = postponed.map(({ entryId, delayMs, attempts, firstFailedAt }) => ({
    entry: numberOfEntry(entryId),
    delay: delayMs,
    attempts,
    first_failed: firstFailedAt,
  }))
  const row = await database.first<{ done: boolean }>(
    'SELECT $S.settle_lane_1($1, $2, $3, $4, $5, $6, $7) AS done',
    group,
    topic,
    partition,
    token,
    done.map(numberOfEntry),
    later.length === 0 ? null : JSON.stringify(later),
    park.map(encodeName),
  )
  return row?.done === true ? 'done' : 'fenced'
}

/** The number of an entry's id; 0, which no row has, for what is none. */
function numberOfEntry(entryId: string): number {
  return /^\d{1,16}$/.test(entryId) ? Number(entryId) : 0
}

/** Lifts the parking of a key. */
export async function unpark(
  database: Database,
  key: { readonly group: string; readonly topic: string; readonly partition: number; readonly key: string },
): Promise<void> {
  await database.transaction(async (sql) => setParked(sql, await groupPlaceOf(sql, key), key.key, false))
}

interface PlacedEntries {
  readonly place: GroupPlace
  readonly first: NewLaneEntry
  readonly entries: NewLaneEntry[]
}

/** Entries by group and partition, in an order that is the same for everybody who locks. */
async function byPlace(sql: Sql, entries: readonly NewLaneEntry[]): Promise<PlacedEntries[]> {
  const places = new Map<string, PlacedEntries>()
  for (const entry of entries) {
    const { topic, partition } = entry.record
    const name = JSON.stringify([entry.group, topic, partition])
    const known = places.get(name)
    if (known !== undefined) known.entries.push(entry)
    else {
      const place = await groupPlaceOf(sql, { group: entry.group, topic, partition })
      places.set(name, { place, first: entry, entries: [entry] })
    }
  }
  return [...places.values()].sort(
    (one, other) => one.place.groupId - other.place.groupId || one.place.partitionId - other.place.partitionId,
  )
}

/** Rolls a transaction back; never seen outside of this file. */
const FENCED = new Error('The lease has moved on.')

function fencedOr(error: unknown): 'fenced' {
  if (error === FENCED) return 'fenced'
  throw error
}
