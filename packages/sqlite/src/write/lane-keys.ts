import type { NewLaneEntry } from '@millrace/core/driver'
import type { GroupPlace } from './fence.ts'
import type { WriterState } from './writer-state.ts'

/** What orders entries among each other: their key, or for an event without one nothing but itself. */
export function orderKeyOf({ laneKey, record, generation }: NewLaneEntry): string {
  return laneKey === undefined ? `=${record.position}/${generation}` : `k${laneKey}`
}

/** A key's row says how many entries it has (by trigger) and when the first of them is due, so that looking is cheap. */
export function refreshLaneKey(state: WriterState, key: GroupPlace & { readonly orderKey: string }): void {
  const { groupId, partitionId, orderKey } = key
  state.sql.run(
    `UPDATE lane_keys SET ready_at = iif(parked, NULL, (
       SELECT due FROM lane WHERE group_id = ?1 AND partition_id = ?2 AND order_key = ?3 ORDER BY seq, entry LIMIT 1))
     WHERE group_id = ?1 AND partition_id = ?2 AND order_key = ?3`,
    groupId,
    partitionId,
    orderKey,
  )
  state.sql.run(
    `DELETE FROM lane_keys
     WHERE group_id = ? AND partition_id = ? AND order_key = ? AND waiting = 0 AND NOT parked`,
    groupId,
    partitionId,
    orderKey,
  )
}

/** Parks a key, whether it has entries or not, or lets it go on. */
export function setParked(state: WriterState, place: GroupPlace, laneKey: string, parked: boolean): void {
  if (place.groupId === 0 || place.partitionId === 0) return
  const orderKey = `k${laneKey}`
  state.sql.run(
    `INSERT INTO lane_keys (group_id, partition_id, order_key, lane_key, parked) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT DO UPDATE SET parked = ?5`,
    place.groupId,
    place.partitionId,
    orderKey,
    laneKey,
    parked ? 1 : 0,
  )
  refreshLaneKey(state, { ...place, orderKey })
}
