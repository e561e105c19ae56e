import { type LaneChanges, MillraceError, type NewLaneEntry, seqOf } from '@millrace/core/driver'
import { type GroupPlace, groupPlaceOf, holdsToken } from './fence.ts'
import { orderKeyOf, refreshLaneKey, setParked } from './lane-keys.ts'
import type { WriterState } from './writer-state.ts'

const INSERT = `
  INSERT INTO lane (group_id, partition_id, seq, generation, lane_key, order_key, due, attempts, first_failed, reason,
    event_id, type, key, recorded, body)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`

/** Adds entries, all or nothing. Throws `lane_full`. */
export function addToLane(
  state: WriterState,
  {
    entries,
    token,
    capacity,
  }: {
    readonly entries: readonly NewLaneEntry[]
    readonly token?: number
    readonly capacity: number
  },
): 'added' | 'fenced' {
  const touched = new Map<string, GroupPlace & { readonly orderKey: string }>()
  const groups = new Map<number, string>()
  for (const entry of entries) {
    const place = groupPlaceOf(state, { ...entry.record, group: entry.group })
    if (place.groupId === 0) throw new MillraceError('group_unknown', `The group "${entry.group}" does not exist.`)
    if (place.partitionId === 0) {
      throw new MillraceError('topic_unknown', `The topic "${entry.record.topic}" has no such partition.`)
    }
    if (token !== undefined && !holdsToken(state, place, token)) return 'fenced'
  }
  for (const entry of entries) {
    const place = groupPlaceOf(state, { ...entry.record, group: entry.group })
    const orderKey = orderKeyOf(entry)
    insertEntry(state, place, entry)
    if (entry.reason === 'parked' && entry.laneKey !== undefined) setParked(state, place, entry.laneKey, true)
    groups.set(place.groupId, entry.group)
    touched.set(`${place.groupId} ${place.partitionId} ${orderKey}`, { ...place, orderKey })
  }
  for (const key of touched.values()) refreshLaneKey(state, key)
  for (const [groupId, group] of groups) requireRoom(state, groupId, group, capacity)
  return 'added'
}

/** Writes one entry, unless the same event waits already. */
export function insertEntry(state: WriterState, { groupId, partitionId }: GroupPlace, entry: NewLaneEntry): void {
  const { record } = entry
  state.sql.run(
    INSERT,
    groupId,
    partitionId,
    seqOf(record.position),
    entry.generation,
    entry.laneKey ?? null,
    orderKeyOf(entry),
    state.now() + entry.delayMs,
    entry.attempts,
    entry.firstFailedAt ?? null,
    entry.reason,
    record.id,
    record.type,
    record.key ?? null,
    record.recordedAt,
    record.body,
  )
}

/** Removes the entry of an event and generation, if it waits. */
export function takeEntry(
  state: WriterState,
  place: GroupPlace,
  { seq, generation }: { readonly seq: number; readonly generation: number },
): void {
  const gone = state.sql.get<{ order_key: string }>(
    'DELETE FROM lane WHERE group_id = ? AND partition_id = ? AND seq = ? AND generation = ? RETURNING order_key',
    place.groupId,
    place.partitionId,
    seq,
    generation,
  )
  if (gone !== undefined) refreshLaneKey(state, { ...place, orderKey: gone.order_key })
}

/** Removes, postpones and parks under the token, all or nothing. */
export function settleLane(state: WriterState, changes: LaneChanges): 'done' | 'fenced' {
  const place = groupPlaceOf(state, changes)
  if (!holdsToken(state, place, changes.token)) return 'fenced'
  const touched = new Set<string>()
  const ofPlace = 'entry = ? AND group_id = ? AND partition_id = ?'
  const touch = (entryId: string): boolean => {
    const row = state.sql.get<{ order_key: string }>(
      `SELECT order_key FROM lane WHERE ${ofPlace}`,
      Number(entryId),
      place.groupId,
      place.partitionId,
    )
    if (row !== undefined) touched.add(row.order_key)
    return row !== undefined
  }
  for (const entryId of changes.done) {
    if (touch(entryId)) state.sql.run('DELETE FROM lane WHERE entry = ?', Number(entryId))
  }
  for (const { entryId, delayMs, attempts, firstFailedAt } of changes.postponed) {
    if (!touch(entryId)) continue
    state.sql.run(
      'UPDATE lane SET due = ?, attempts = ?, first_failed = ? WHERE entry = ?',
      state.now() + delayMs,
      attempts,
      firstFailedAt ?? null,
      Number(entryId),
    )
  }
  for (const laneKey of changes.park ?? []) setParked(state, place, laneKey, true)
  for (const orderKey of touched) refreshLaneKey(state, { ...place, orderKey })
  return 'done'
}

/** Lifts the parking of a key. */
export function unpark(
  state: WriterState,
  key: { readonly group: string; readonly topic: string; readonly partition: number; readonly key: string },
): void {
  setParked(state, groupPlaceOf(state, key), key.key, false)
}

function requireRoom(state: WriterState, groupId: number, group: string, capacity: number): void {
  const held =
    state.sql.get<{ held: number }>('SELECT lane_entries AS held FROM groups WHERE id = ?', groupId)?.held ?? 0
  if (held <= capacity) return
  throw new MillraceError(
    'lane_full',
    `The side lane of the group "${group}" would hold ${held} entries; its capacity is ${capacity}.`,
    { retriable: true, facts: { held, capacity } },
  )
}
