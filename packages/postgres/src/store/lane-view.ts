import {
  type LaneCounts,
  type LaneEntry,
  type LaneKey,
  type LaneNext,
  type NewLaneEntry,
  positionOf,
} from '@millrace/core/driver'
import type { Database } from '../database/database.ts'
import { decodeName, decodeOptional, encodeName } from '../name-codec.ts'

const ENTRY_ID_WIDTH = 16

interface PlaceQuery {
  readonly group: string
  readonly topic: string
  readonly partition: number
}

const PLACE = `
  group_id = (SELECT id FROM $S.groups WHERE name = $1)
  AND partition_id = (SELECT p.id FROM $S.partitions p JOIN $S.topics t ON t.id = p.topic WHERE t.name = $2 AND p.partition = $3)`

interface EntryRow {
  readonly entry: number
  readonly seq: number
  readonly generation: number
  readonly lane_key: string | null
  readonly delay: number
  readonly attempts: number
  readonly first_failed: number | null
  readonly reason: NewLaneEntry['reason']
  readonly event_id: string
  readonly type: string
  readonly key: string | null
  readonly recorded: number
  readonly body: string
}

/** Entries that are due and wait for no earlier one of their key, oldest first, in their order within each key. */
export async function dueEntries(
  database: Database,
  { group, topic, partition, limit }: PlaceQuery & { readonly limit: number },
): Promise<readonly LaneEntry[]> {
  const rows = await database.rows<EntryRow>(
    `WITH clock AS MATERIALIZED (SELECT $S.now_ms() AS now), ready AS (
       SELECT k.group_id, k.partition_id, k.order_key FROM $S.lane_keys k, clock c
       WHERE ${PLACE} AND k.ready_at <= c.now
       ORDER BY k.ready_at LIMIT $4
     ), turns AS (
       SELECT l.entry, l.seq, max(l.entry) OVER w AS turn, max(l.due) OVER w AS reached
       FROM ready r CROSS JOIN LATERAL (
         SELECT x.entry, x.seq, x.due, x.order_key FROM $S.lane x
         WHERE x.group_id = r.group_id AND x.partition_id = r.partition_id AND x.order_key = r.order_key
         ORDER BY x.seq, x.entry LIMIT $4) l
       WINDOW w AS (PARTITION BY l.order_key ORDER BY l.seq, l.entry)
     ), next AS (
       SELECT t.entry, t.turn, t.seq FROM turns t, clock c WHERE t.reached <= c.now ORDER BY t.turn, t.seq, t.entry LIMIT $4)
     SELECT l.*, greatest(0, l.due - c.now) AS delay FROM next n JOIN $S.lane l ON l.entry = n.entry, clock c
     ORDER BY n.turn, n.seq, n.entry`,
    group,
    topic,
    partition,
    limit,
  )
  return rows.map((row) => entryOf(row, { group, topic, partition }))
}

function entryOf(row: EntryRow, { group, topic, partition }: PlaceQuery): LaneEntry {
  return {
    entryId: String(row.entry).padStart(ENTRY_ID_WIDTH, '0'),
    group,
    laneKey: decodeOptional(row.lane_key),
    record: {
      topic,
      partition,
      position: positionOf(row.seq),
      id: decodeName(row.event_id),
      type: decodeName(row.type),
      key: decodeOptional(row.key),
      recordedAt: row.recorded,
      body: row.body,
    },
    delayMs: row.delay,
    attempts: row.attempts,
    firstFailedAt: row.first_failed ?? undefined,
    reason: row.reason,
    generation: row.generation,
  }
}

/** The keys of a partition that have entries or are parked. */
export async function laneKeys(
  database: Database,
  { group, topic, partition, only }: PlaceQuery & { readonly only?: readonly string[] },
): Promise<ReadonlyMap<string, LaneKey>> {
  const rows = await database.arrays<[key: string, waiting: number, parked: boolean]>(
    `SELECT lane_key, waiting, parked FROM $S.lane_keys WHERE ${PLACE} AND lane_key IS NOT NULL
     ${only === undefined ? '' : 'AND order_key = ANY ($4::text[])'}`,
    group,
    topic,
    partition,
    ...(only === undefined ? [] : [only.map((key) => `k${encodeName(key)}`)]),
  )
  return new Map(rows.map(([key, waiting, parked]) => [decodeName(key), { waiting, parked }]))
}

/** How many entries a group has in all, are due, and are parked. */
export async function laneCounts(database: Database, group: string): Promise<LaneCounts> {
  const row = await database.first<{ waiting: number; parked: number; keys: number; due: number }>(
    `WITH clock AS MATERIALIZED (SELECT $S.now_ms() AS now), own AS (
       SELECT k.* FROM $S.lane_keys k WHERE k.group_id = (SELECT id FROM $S.groups WHERE name = $1))
     SELECT coalesce(sum(o.waiting), 0)::bigint AS waiting,
       coalesce(sum(o.waiting) FILTER (WHERE o.parked), 0)::bigint AS parked,
       count(o.lane_key) AS keys, (
         SELECT count(*) FROM (
           SELECT max(l.due) OVER (PARTITION BY l.partition_id, l.order_key ORDER BY l.seq, l.entry) AS reached
           FROM own k JOIN $S.lane l USING (group_id, partition_id, order_key), clock c WHERE k.ready_at <= c.now) r, clock c
         WHERE r.reached <= c.now) AS due
     FROM own o`,
    group,
  )
  return {
    waiting: row?.waiting ?? 0,
    due: row?.due ?? 0,
    parked: row?.parked ?? 0,
    keys: row?.keys ?? 0,
  }
}

/** Whether a group has anything in its lane, and when the first of it is due: one look into an index for each partition. */
export async function laneNext(database: Database, group: string): Promise<LaneNext> {
  const row = await database.first<{ held: boolean; due: number | null }>(
    `WITH own AS MATERIALIZED (SELECT id FROM $S.groups WHERE name = $1), soonest AS (
       SELECT min(f.first) AS first FROM own g JOIN $S.progress p ON p.group_id = g.id CROSS JOIN LATERAL (
         SELECT min(k.ready_at) AS first FROM $S.lane_keys k
         WHERE k.group_id = p.group_id AND k.partition_id = p.partition_id AND k.ready_at IS NOT NULL) f)
     SELECT EXISTS (SELECT 1 FROM $S.lane_keys k, own g WHERE k.group_id = g.id) AS held,
       CASE WHEN s.first IS NOT NULL THEN greatest(0, s.first - $S.now_ms()) END AS due
     FROM soonest s`,
    group,
  )
  return { isEmpty: row?.held !== true, dueInMs: row?.due ?? undefined }
}
