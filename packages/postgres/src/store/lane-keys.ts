import type { NewLaneEntry } from '@millrace/core/driver'
import type { Sql } from '../database/database.ts'
import { encodeName } from '../name-codec.ts'
import type { GroupPlace } from './fence.ts'

/** What orders entries among each other: their key, or for an event without one nothing but itself. */
export function orderKeyOf({ laneKey, record, generation }: NewLaneEntry): string {
  return laneKey === undefined ? `=${record.position}/${generation}` : `k${encodeName(laneKey)}`
}

/** A key's row says how many entries it has (by trigger) and when the first of them is due, so that looking is cheap. */
export async function refreshLaneKeys(
  sql: Sql,
  { groupId, partitionId }: GroupPlace,
  orderKeys: readonly string[],
): Promise<void> {
  if (orderKeys.length === 0) return
  await sql.run(
    `UPDATE $S.lane_keys k SET ready_at = CASE WHEN k.parked THEN NULL ELSE (
       SELECT l.due FROM $S.lane l WHERE l.group_id = $1 AND l.partition_id = $2 AND l.order_key = k.order_key
       ORDER BY l.seq, l.entry LIMIT 1) END
     WHERE k.group_id = $1 AND k.partition_id = $2 AND k.order_key = ANY ($3::text[])`,
    groupId,
    partitionId,
    orderKeys,
  )
  await sql.run(
    `DELETE FROM $S.lane_keys WHERE group_id = $1 AND partition_id = $2 AND order_key = ANY ($3::text[])
       AND waiting = 0 AND NOT parked`,
    groupId,
    partitionId,
    orderKeys,
  )
}

/** Parks a key, whether it has entries or not, or lets it go on. */
export async function setParked(sql: Sql, place: GroupPlace, laneKey: string, parked: boolean): Promise<void> {
  if (place.groupId === 0 || place.partitionId === 0) return
  const orderKey = `k${encodeName(laneKey)}`
  await sql.run(
    `INSERT INTO $S.lane_keys (group_id, partition_id, order_key, lane_key, parked) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (group_id, partition_id, order_key) DO UPDATE SET parked = excluded.parked`,
    place.groupId,
    place.partitionId,
    orderKey,
    encodeName(laneKey),
    parked,
  )
  await refreshLaneKeys(sql, place, [orderKey])
}
