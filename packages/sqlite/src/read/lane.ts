import {
  type LaneCounts,
  type LaneEntry,
  type LaneKey,
  type LaneNext,
  type NewLaneEntry,
  positionOf,
} from '@millrace/core/driver'
import type { ReaderState } from './reader-state.ts'

const ENTRY_ID_WIDTH = 16

interface PlaceQuery {
  readonly group: string
  readonly topic: string
  readonly partition: number
}

const PLACE = `
  group_id = (SELECT id FROM groups WHERE name = ?1)
  AND partition_id = (SELECT p.id FROM partitions p JOIN topics t ON t.id = p.topic WHERE t.name = ?2 AND p.partition = ?3)`

const OF_GROUP = 'group_id = (SELECT id FROM groups WHERE name = ?1)'

/** Entries that are due and wait for no earlier one of their key, oldest first, in their order within each key. */
export function dueEntries(state: ReaderState, query: PlaceQuery & { readonly limit: number }): readonly LaneEntry[] {
  const { group, topic, partition, limit } = query
  const now = state.now()
  const keys = state.sql.arrays<[orderKey: string]>(
    `SELECT order_key FROM lane_keys WHERE ${PLACE} AND ready_at <= ?4 ORDER BY ready_at LIMIT ?5`,
    group,
    topic,
    partition,
    now,
    limit,
  )
  const ready: { readonly entry: number; readonly turn: number }[] = []
  for (const [orderKey] of keys) {
    let turn = 0
    for (const [entry, due] of state.sql.arrays<[number, number]>(
      `SELECT entry, due FROM lane WHERE ${PLACE} AND order_key = ?4 ORDER BY seq, entry LIMIT ?5`,
      group,
      topic,
      partition,
      orderKey,
      limit,
    )) {
      if (due > now) break
      ready.push({ entry, turn: (turn = Math.max(turn, entry)) })
    }
  }
  ready.sort((left, right) => left.turn - right.turn)
  return ready.slice(0, limit).flatMap(({ entry }) => readEntry(state, query, entry, now))
}

interface EntryRow {
  readonly seq: number
  readonly generation: number
  readonly lane_key: string | null
  readonly due: number
  readonly attempts: number
  readonly first_failed: number | null
  readonly reason: NewLaneEntry['reason']
  readonly event_id: string
  readonly type: string
  readonly key: string | null
  readonly recorded: number
  readonly body: string
}

function readEntry(
  state: ReaderState,
  { group, topic, partition }: PlaceQuery,
  entry: number,
  now: number,
): LaneEntry[] {
  const row = state.sql.get<EntryRow>('SELECT * FROM lane WHERE entry = ?', entry)
  if (row === undefined) return []
  const record = {
    topic,
    partition,
    position: positionOf(row.seq),
    id: row.event_id,
    type: row.type,
    key: row.key ?? undefined,
    recordedAt: row.recorded,
    body: row.body,
  }
  return [
    {
      entryId: String(entry).padStart(ENTRY_ID_WIDTH, '0'),
      group,
      laneKey: row.lane_key ?? undefined,
      record,
      delayMs: Math.max(0, row.due - now),
      attempts: row.attempts,
      firstFailedAt: row.first_failed ?? undefined,
      reason: row.reason,
      generation: row.generation,
    },
  ]
}

/** The keys of a partition that have entries or are parked. */
export function laneKeys(
  state: ReaderState,
  { group, topic, partition, only }: PlaceQuery & { readonly only?: readonly string[] },
): ReadonlyMap<string, LaneKey> {
  const rows = state.sql.arrays<[key: string, waiting: number, parked: number]>(
    `SELECT lane_key, waiting, parked FROM lane_keys WHERE ${PLACE} AND lane_key IS NOT NULL
     ${only === undefined ? '' : `AND order_key IN (SELECT 'k' || value FROM json_each(?4))`}`,
    group,
    topic,
    partition,
    ...(only === undefined ? [] : [JSON.stringify(only)]),
  )
  return new Map(rows.map(([key, waiting, parked]) => [key, { waiting, parked: parked === 1 }]))
}

/** How many entries a group has in all, are due, and are parked. */
export function laneCounts(state: ReaderState, { group }: { readonly group: string }): LaneCounts {
  const keys = state.sql.get<{ waiting: number; parked: number; keys: number }>(
    `SELECT total(waiting) AS waiting, total(iif(parked, waiting, 0)) AS parked, count(lane_key) AS keys
     FROM lane_keys WHERE ${OF_GROUP}`,
    group,
  )
  const ready = state.sql.get<{ due: number }>(
    `SELECT count(*) AS due FROM (
       SELECT max(l.due) OVER (PARTITION BY l.partition_id, l.order_key ORDER BY l.seq, l.entry) AS reached
       FROM lane_keys k JOIN lane l USING (group_id, partition_id, order_key)
       WHERE k.${OF_GROUP} AND k.ready_at <= ?2)
     WHERE reached <= ?2`,
    group,
    state.now(),
  )
  return {
    waiting: keys?.waiting ?? 0,
    due: ready?.due ?? 0,
    parked: keys?.parked ?? 0,
    keys: keys?.keys ?? 0,
  }
}

/** Whether a group has anything in its lane, and when the first of it is due: one look into an index for each partition. */
export function laneNext(state: ReaderState, { group }: { readonly group: string }): LaneNext {
  const row = state.sql.get<{ held: number; due: number | null }>(
    `SELECT EXISTS (SELECT 1 FROM lane_keys WHERE ${OF_GROUP}) AS held, (
       SELECT min(first) FROM (
         SELECT (SELECT min(k.ready_at) FROM lane_keys k
                 WHERE k.group_id = p.group_id AND k.partition_id = p.partition_id AND k.ready_at IS NOT NULL) AS first
         FROM progress p WHERE p.${OF_GROUP})) AS due`,
    group,
  )
  const due = row?.due ?? undefined
  return { isEmpty: row?.held !== 1, dueInMs: due === undefined ? undefined : Math.max(0, due - state.now()) }
}
