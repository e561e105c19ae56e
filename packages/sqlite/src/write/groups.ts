import { MillraceError, seqOf, type StartAt } from '@millrace/core/driver'
import { firstSeqSince } from '../read/seq-by-time.ts'
import type { PartitionState } from './topic-cache.ts'
import { requireTopic } from './topics.ts'
import type { WriterState } from './writer-state.ts'

/** Makes a group start where it has no progress yet. Throws `topic_unknown`. */
export function ensureGroup(
  state: WriterState,
  { group, topics, from }: { readonly group: string; readonly topics: readonly string[]; readonly from: StartAt },
): void {
  const found = topics.map((topic) => requireTopic(state, topic))
  const groupId = groupIdOf(state, group) ?? createGroup(state, group)
  const token = nextToken(state)
  for (const topic of found) {
    for (const partition of topic.partitions) {
      state.sql.run(
        'INSERT INTO progress (group_id, partition_id, settled, token) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
        groupId,
        partition.id,
        startSeq(state, partition, from),
        token,
      )
    }
  }
}

/** Moves a group in one topic and fences off its members. Throws `group_unknown`, `topic_unknown`. */
export function seek(
  state: WriterState,
  { group, topic, to }: { readonly group: string; readonly topic: string; readonly to: StartAt },
): void {
  const { partitions } = requireTopic(state, topic)
  const groupId = requireGroup(state, group)
  const token = nextToken(state)
  let moved = 0
  for (const partition of partitions) {
    const seq = startSeq(state, partition, to)
    moved += state.sql.run(
      `UPDATE progress SET token = ?4, owner = NULL, clean = 1, settled = ?1, fetched_high = 0,
         ahead_count = 0, ahead = '[]', attempts = '[]', starting = NULL
       WHERE group_id = ?2 AND partition_id = ?3`,
      seq,
      groupId,
      partition.id,
      token,
    )
  }
  if (moved === 0) throw notInTopic(group, topic)
}

/** Removes a group with its progress, members, side lane and dead letters. Throws `group_unknown`. */
export function removeGroup(state: WriterState, { group }: { readonly group: string }): void {
  const groupId = requireGroup(state, group)
  for (const table of ['lane', 'lane_keys', 'dead_letters', 'taken_letters', 'progress']) {
    state.sql.run(`DELETE FROM ${table} WHERE group_id = ?`, groupId)
  }
  state.sql.run('DELETE FROM members WHERE group_name = ?', group)
  state.sql.run('DELETE FROM inbox WHERE group_name = ?', group)
  state.sql.run('DELETE FROM groups WHERE id = ?', groupId)
  state.retentionWanted = true
}

/** The number of a group, if it exists. */
export function groupIdOf(state: Pick<WriterState, 'sql'>, group: string): number | undefined {
  return state.sql.get<{ id: number }>('SELECT id FROM groups WHERE name = ?', group)?.id
}

/** The number of a group. Throws `group_unknown`. */
export function requireGroup(state: Pick<WriterState, 'sql'>, group: string): number {
  const id = groupIdOf(state, group)
  if (id === undefined) throw new MillraceError('group_unknown', `The group "${group}" does not exist.`)
  return id
}

/** A group without progress in any topic yet: it has a name and perhaps a filter. */
export function createGroup(state: WriterState, group: string): number {
  state.sql.run('INSERT INTO groups (name) VALUES (?) ON CONFLICT DO NOTHING', group)
  return requireGroup(state, group)
}

/** A fencing token that was never given before, not even to a group or topic of the same name that was removed. */
export function nextToken({ sql }: Pick<WriterState, 'sql'>): number {
  return sql.get<{ last: number }>('UPDATE tokens SET last = last + 1 RETURNING last')?.last ?? 0
}

function notInTopic(group: string, topic: string): MillraceError {
  return new MillraceError('group_unknown', `The group "${group}" does not read the topic "${topic}".`)
}

function startSeq(state: WriterState, partition: PartitionState, from: StartAt): number {
  if (from === 'earliest') return 0
  if (from === 'latest') return partition.head
  if ('time' in from) return firstSeqSince(state.sql, partition, from.time) - 1
  const after = from.after.find((place) => place.partition === partition.partition)
  const seq = seqOf(after?.position)
  if (seq <= partition.head) return seq
  throw new MillraceError(
    'position_invalid',
    `The position ${after?.position} is beyond the newest event of partition ${partition.partition}.`,
  )
}
