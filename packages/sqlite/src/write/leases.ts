import {
  decodeProgress,
  type GroupFilter,
  type MemberInfo,
  type PartitionClaim,
  type Progress,
  type ProgressRow,
} from '@millrace/core/driver'
import { createGroup, groupIdOf, nextToken } from './groups.ts'
import type { WriterState } from './writer-state.ts'

/** Adds a member, or renews what is known of it; its count goes on. */
export function addMember(state: WriterState, { member, group, label, filterEpoch }: MemberInfo): void {
  state.sql.run(
    `INSERT INTO members (member, group_name, label, filter_epoch) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT DO UPDATE SET label = ?3, filter_epoch = ?4, count = count + 1`,
    member,
    group,
    label,
    filterEpoch,
  )
}

/** Counts up for members; one that was expelled is left out. */
export function beat(state: WriterState, members: readonly string[]): void {
  for (const member of members) state.sql.run('UPDATE members SET count = count + 1 WHERE member = ?', member)
}

/** Removes a member and frees what it owns. */
export function removeMember(state: WriterState, member: string): void {
  state.sql.run('UPDATE progress SET owner = NULL WHERE owner = ?', member)
  state.sql.run('DELETE FROM members WHERE member = ?', member)
}

/** Removes a member whose count is still the one observed, and frees what it owns; until a claim its token holds. */
export function expel(
  state: WriterState,
  { member, count }: { readonly member: string; readonly count: number },
): void {
  const found = state.sql.get('SELECT 1 FROM members WHERE member = ? AND count = ?', member, count)
  if (found !== undefined) removeMember(state, member)
}

const CLAIM = `
  UPDATE progress SET owner = ?, token = ?, clean = 0
  WHERE group_id = ? AND partition_id = ? AND owner IS ? AND token = ?`
const SELECT_PROGRESS = `
  SELECT clean, settled, fetched_high, ahead_count, ahead, attempts, starting FROM progress
  WHERE group_id = ? AND partition_id = ?`

/** Takes a partition when its owner and token are still those observed. */
export function claim(
  state: WriterState,
  { group, topic, partition, member, expectedOwner, expectedToken }: PartitionClaim,
): { readonly token: number; readonly progress: Progress; readonly clean: boolean } | undefined {
  const groupId = groupIdOf(state, group) ?? 0
  const partitionId = state.topics.get(topic)?.partitions[partition]?.id ?? 0
  const row = state.sql.get<ProgressRow & { clean: number }>(SELECT_PROGRESS, groupId, partitionId)
  if (row === undefined) return undefined
  const token = nextToken(state)
  const won = state.sql.run(CLAIM, member, token, groupId, partitionId, expectedOwner ?? null, expectedToken)
  if (won === 0) return undefined
  return { token, progress: decodeProgress(row), clean: row.clean === 1 }
}

/** Gives a partition back; false when the token has moved on. */
export function giveBack(
  state: WriterState,
  lease: {
    readonly group: string
    readonly topic: string
    readonly partition: number
    readonly token: number
    readonly clean: boolean
  },
): boolean {
  const changed = state.sql.run(
    'UPDATE progress SET owner = NULL, clean = ? WHERE group_id = ? AND partition_id = ? AND token = ?',
    lease.clean ? 1 : 0,
    groupIdOf(state, lease.group) ?? 0,
    state.topics.get(lease.topic)?.partitions[lease.partition]?.id ?? 0,
    lease.token,
  )
  return changed === 1
}

/** Stores a filter that follows the stored one; returns what is stored then. */
export function putFilter(
  state: WriterState,
  { group, filter }: { readonly group: string; readonly filter: GroupFilter },
): GroupFilter {
  const groupId = groupIdOf(state, group) ?? createGroup(state, group)
  const stored = readFilter(state, groupId)
  if (stored !== undefined && filter.epoch !== stored.epoch + 1) return stored
  const types = JSON.stringify(filter.types)
  state.sql.run('UPDATE groups SET filter_epoch = ?, filter = ? WHERE id = ?', filter.epoch, types, groupId)
  return filter
}

/** The stored filter of a group. */
export function readFilter({ sql }: Pick<WriterState, 'sql'>, groupId: number): GroupFilter | undefined {
  const row = sql.get<{ epoch: number | null; types: string | null }>(
    'SELECT filter_epoch AS epoch, filter AS types FROM groups WHERE id = ?',
    groupId,
  )
  if (row === undefined || row.epoch === null || row.types === null) return undefined
  return { epoch: row.epoch, types: JSON.parse(row.types) as string[] }
}
