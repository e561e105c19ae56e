import {
  decodeRanges,
  type GroupInfo,
  MillraceError,
  optionalPosition,
  type PartitionLag,
  type Retention,
  type TopicInfo,
} from '@millrace/core/driver'
import type { ReaderState } from './reader-state.ts'

/** One partition of a topic as its row says. */
export interface PartitionRow {
  readonly id: number
  readonly partition: number
  readonly head: number
  readonly dropped: number
}

/** The partitions of a topic in their order. Throws `topic_unknown`. */
export function partitionsOf({ sql }: ReaderState, topic: string): readonly PartitionRow[] {
  const rows = sql.all<PartitionRow>(
    `SELECT p.id, p.partition, p.head, p.dropped FROM partitions p JOIN topics t ON t.id = p.topic
     WHERE t.name = ? ORDER BY p.partition`,
    topic,
  )
  if (rows.length === 0) throw new MillraceError('topic_unknown', `The topic "${topic}" does not exist.`)
  return rows
}

/** All topics and groups by name. */
export function list({ sql }: ReaderState): {
  readonly topics: readonly TopicInfo[]
  readonly groups: readonly GroupInfo[]
} {
  const topics = sql.all<Omit<TopicInfo, 'retention'> & { retention: string }>(
    `SELECT t.name AS topic, t.partitions, t.epoch, t.retention, sum(p.head) AS published,
       sum(p.head - p.dropped) AS held, sum(p.bytes) AS bytes, sum(p.expired) AS expiredUnread
     FROM topics t JOIN partitions p ON p.topic = t.id GROUP BY t.id ORDER BY t.name`,
  )
  const groups = sql.all<{ group: string; topics: string }>(
    `SELECT g.name AS "group", (SELECT json_group_array(name) FROM (
       SELECT DISTINCT t.name FROM progress r JOIN partitions p ON p.id = r.partition_id JOIN topics t ON t.id = p.topic
       WHERE r.group_id = g.id ORDER BY t.name)) AS topics
     FROM groups g ORDER BY g.name`,
  )
  return {
    topics: topics.map((topic) => ({ ...topic, retention: JSON.parse(topic.retention) as Retention })),
    groups: groups.map(({ group, topics: names }) => ({ group, topics: JSON.parse(names) as string[] })),
  }
}

/** What lies between a group and the heads of a topic: subtractions, never a count. Throws `topic_unknown`, `group_unknown`. */
export function lag(
  state: ReaderState,
  { topic, group }: { readonly topic: string; readonly group: string },
): readonly PartitionLag[] {
  const lags: PartitionLag[] = []
  for (const { id, partition, head, dropped } of partitionsOf(state, topic)) {
    const row = state.sql.get<{ settled: number; ahead: string }>(
      `SELECT settled, ahead FROM progress
       WHERE partition_id = ? AND group_id = (SELECT id FROM groups WHERE name = ?)`,
      id,
      group,
    )
    if (row === undefined) throw new MillraceError('group_unknown', `The group "${group}" does not read "${topic}".`)
    const { left, next } = unsettledOf(row, { head, dropped })
    lags.push({
      partition,
      head: optionalPosition(head),
      settled: optionalPosition(row.settled),
      lag: left,
      exact: true,
      oldestUnsettledAt: left === 0 ? undefined : recordedAt(state, id, next),
    })
  }
  return lags
}

/** How many held events are not settled, and the first of them. */
function unsettledOf(
  { settled, ahead }: { readonly settled: number; readonly ahead: string },
  { head, dropped }: { readonly head: number; readonly dropped: number },
): { readonly left: number; readonly next: number } {
  let next = Math.max(settled, dropped) + 1
  let left = Math.max(0, head + 1 - next)
  for (const [from, to] of decodeRanges(ahead)) {
    const first = Math.max(from, next)
    if (to < first) continue
    left -= to - first + 1
    if (first === next) next = to + 1
  }
  return { left, next }
}

function recordedAt({ sql }: ReaderState, partitionId: number, seq: number): number | undefined {
  return sql.get<{ recorded: number }>('SELECT recorded FROM events WHERE pos = ((? << 44) | ?)', partitionId, seq)
    ?.recorded
}
