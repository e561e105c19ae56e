import type { GroupView, MemberInfo, PartitionLease } from '@millrace/core/driver'
import { readFilter } from '../write/leases.ts'
import type { ReaderState } from './reader-state.ts'

/** Members, owners and filter of a group in one snapshot. */
export function observe(state: ReaderState, { group }: { readonly group: string }): GroupView {
  const { db } = state.sql
  db.exec('BEGIN')
  try {
    const members = state.sql.all<MemberInfo & { count: number }>(
      `SELECT member, group_name AS "group", label, filter_epoch AS filterEpoch, count FROM members
       WHERE group_name = ? ORDER BY member`,
      group,
    )
    const partitions = state.sql.all<Omit<PartitionLease, 'owner'> & { owner: string | null }>(
      `SELECT t.name AS topic, p.partition, r.owner, r.token FROM progress r
       JOIN partitions p ON p.id = r.partition_id JOIN topics t ON t.id = p.topic
       WHERE r.group_id = (SELECT id FROM groups WHERE name = ?) ORDER BY t.name, p.partition`,
      group,
    )
    const groupId = state.sql.get<{ id: number }>('SELECT id FROM groups WHERE name = ?', group)?.id ?? 0
    return {
      members: members.map((member) => ({ ...member })),
      partitions: partitions.map((lease) => ({ ...lease, owner: lease.owner ?? undefined })),
      filter: readFilter(state, groupId),
    }
  } finally {
    db.exec('COMMIT')
  }
}
