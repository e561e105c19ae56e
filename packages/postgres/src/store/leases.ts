import {
  decodeProgress,
  type GroupFilter,
  type GroupView,
  type LeaseStore,
  type MemberInfo,
  type PartitionLease,
  type ProgressRow,
} from '@millrace/core/driver'
import type { Connection } from '../driver/connection.ts'
import { createGroup } from './groups.ts'

/** Members and leases: each step is one statement, which checks what was observed. */
export function createLeaseStore(current: () => Connection): LeaseStore {
  return {
    async join({ member, group, label, filterEpoch }, beat) {
      const { database, pulse } = current()
      await database.run(
        `INSERT INTO $S.members AS m (member, group_name, label, filter_epoch) VALUES ($1, $2, $3, $4)
         ON CONFLICT (member) DO UPDATE SET label = $3, filter_epoch = $4, count = m.count + 1`,
        member,
        group,
        label,
        filterEpoch,
      )
      pulse.join(member, group, beat)
    },
    async leave(member) {
      const { database, pulse } = current()
      pulse.leave(member)
      await database.run(`${REMOVE_MEMBER} WHERE member = $1 RETURNING member) ${FREE}`, member)
    },
    async expel(member, count) {
      await current().database.run(
        `${REMOVE_MEMBER} WHERE member = $1 AND count = $2 RETURNING member) ${FREE}`,
        member,
        count,
      )
    },
    observe: async (group) => observe(current(), group),
    async claim({ group, topic, partition, member, expectedOwner, expectedToken }) {
      const row = await current().database.first<ProgressRow & { token: number; was_clean: boolean }>(
        `WITH held AS (
           SELECT q.group_id, q.partition_id, q.clean FROM $S.progress q WHERE ${OF_PLACE}
             AND ${OWNER} IS NOT DISTINCT FROM $5 AND q.token = $6 FOR UPDATE OF q)
         UPDATE $S.progress q SET owner = $4, token = $S.next_token_1(), clean = false FROM held h
         WHERE q.group_id = h.group_id AND q.partition_id = h.partition_id
         RETURNING q.token, h.clean AS was_clean, q.settled, q.fetched_high, q.ahead_count, q.ahead, q.attempts, q.starting`,
        group,
        topic,
        partition,
        member,
        expectedOwner ?? null,
        expectedToken,
      )
      return row && { token: row.token, progress: decodeProgress(row), clean: row.was_clean }
    },
    async giveBack({ group, topic, partition, token, clean }) {
      const changed = await current().database.run(
        `UPDATE $S.progress q SET owner = NULL, clean = $5 WHERE ${OF_PLACE} AND q.token = $S.live_token_1($4)`,
        group,
        topic,
        partition,
        token,
        clean,
      )
      return changed === 1
    },
    putFilter: async (group, filter) => putFilter(current(), group, filter),
  }
}

const REMOVE_MEMBER = 'WITH gone AS (DELETE FROM $S.members'
const FREE = 'UPDATE $S.progress q SET owner = NULL FROM gone WHERE q.owner = gone.member'

/** Whoever has a lease of another timeline owns nothing on this one. */
const OWNER = 'CASE WHEN q.token >> 32 = (SELECT $S.timeline_1()) THEN q.owner END'

/** The row of a group ($1) in a partition ($2, $3). */
const OF_PLACE = `
  q.group_id = (SELECT id FROM $S.groups WHERE name = $1)
  AND q.partition_id = (SELECT p.id FROM $S.partitions p JOIN $S.topics t ON t.id = p.topic WHERE t.name = $2 AND p.partition = $3)`

/** Looks at everything in one snapshot; the members of this process are counted up on the way. */
async function observe({ database, pulse }: Connection, group: string): Promise<GroupView> {
  const row = await database.first<{
    members: (MemberInfo & { count: number })[]
    partitions: (Omit<PartitionLease, 'owner'> & { owner: string | null })[]
    filter: { epoch: number | null; types: string | null } | null
  }>(OBSERVE, group, pulse.beatWith(group))
  const { members = [], partitions = [], filter } = row ?? {}
  return {
    members,
    partitions: partitions.map((lease) => ({ ...lease, owner: lease.owner ?? undefined })),
    filter: filterOf(filter ?? undefined),
  }
}

const OBSERVE = `
  WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
  beaten AS (
    UPDATE $S.members m SET count = m.count + 1 FROM quick WHERE m.member = ANY ($2::text[]) RETURNING m.member, m.count)
  SELECT
    (SELECT coalesce(json_agg(json_build_object('member', m.member, 'group', m.group_name, 'label', m.label,
       'filterEpoch', m.filter_epoch, 'count', coalesce(b.count, m.count)) ORDER BY m.member), '[]')
     FROM $S.members m LEFT JOIN beaten b ON b.member = m.member WHERE m.group_name = $1) AS members,
    (SELECT coalesce(json_agg(json_build_object('topic', t.name, 'partition', p.partition, 'owner', ${OWNER},
       'token', q.token) ORDER BY t.name, p.partition), '[]')
     FROM $S.progress q JOIN $S.partitions p ON p.id = q.partition_id JOIN $S.topics t ON t.id = p.topic
     WHERE q.group_id = (SELECT id FROM $S.groups WHERE name = $1)) AS partitions,
    (SELECT json_build_object('epoch', g.filter_epoch, 'types', g.filter) FROM $S.groups g WHERE g.name = $1) AS filter`

async function putFilter({ database }: Connection, group: string, filter: GroupFilter): Promise<GroupFilter> {
  return database.transaction(async (sql) => {
    const groupId = await createGroup(sql, group)
    const row = await sql.first<{ epoch: number | null; types: string | null }>(
      'SELECT filter_epoch AS epoch, filter AS types FROM $S.groups WHERE id = $1 FOR NO KEY UPDATE',
      groupId,
    )
    const stored = filterOf(row)
    if (stored !== undefined && filter.epoch !== stored.epoch + 1) return stored
    await sql.run(
      'UPDATE $S.groups SET filter_epoch = $2, filter = $3 WHERE id = $1',
      groupId,
      filter.epoch,
      JSON.stringify(filter.types),
    )
    return filter
  })
}

function filterOf(row: { epoch: number | null; types: string | null } | undefined): GroupFilter | undefined {
  if (row === undefined || row.epoch === null || row.types === null) return undefined
  return { epoch: row.epoch, types: JSON.parse(row.types) as string[] }
}
