import { decodeRanges, MillraceError, optionalPosition, type PartitionLag } from '@millrace/core/driver'
import type { Database } from '../database/database.ts'
import { unknownTopic } from './topics.ts'

interface LagRow {
  readonly id: number
  readonly partition: number
  readonly head: number
  readonly dropped: number
  readonly settled: number | null
  readonly ahead: string
}

/** What lies between a group and the heads of a topic: subtractions, never a count. Throws `topic_unknown`, `group_unknown`. */
export async function lag(database: Database, topic: string, group: string): Promise<readonly PartitionLag[]> {
  const rows = await database.rows<LagRow>(
    `SELECT p.id, p.partition, p.head, f.dropped, q.settled, q.ahead
     FROM $S.topics t JOIN $S.partitions p ON p.topic = t.id JOIN $S.floors f ON f.partition_id = p.id
     LEFT JOIN $S.progress q ON q.partition_id = p.id AND q.group_id = (SELECT id FROM $S.groups WHERE name = $2)
     WHERE t.name = $1 ORDER BY p.partition`,
    topic,
    group,
  )
  if (rows.length === 0) throw unknownTopic(topic)
  const places = rows.map((row) => {
    if (row.settled === null) {
      throw new MillraceError('group_unknown', `The group "${group}" does not read "${topic}".`)
    }
    return { ...row, settled: row.settled, ...unsettledOf(row.settled, row) }
  })
  const behind = places.filter(({ left }) => left > 0)
  const times = await recordedAt(database, topic, behind)
  return places.map(({ id, partition, head, settled, left }) => ({
    partition,
    head: optionalPosition(head),
    settled: optionalPosition(settled),
    lag: left,
    exact: true,
    oldestUnsettledAt: left === 0 ? undefined : times.get(id),
  }))
}

/** How many held events are not settled, and the first of them. */
function unsettledOf(
  settled: number,
  { ahead, head, dropped }: LagRow,
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

async function recordedAt(
  database: Database,
  topic: string,
  places: readonly { readonly id: number; readonly partition: number; readonly next: number }[],
): Promise<ReadonlyMap<number, number>> {
  if (places.length === 0) return new Map()
  const rows = await database.arrays<[id: number, recorded: number]>(
    `SELECT w.id, e.recorded FROM unnest($2::int[], $3::int[], $4::bigint[]) AS w(id, partition, seq)
     JOIN $S.topics t ON t.name = $1
     CROSS JOIN LATERAL (SELECT e.recorded FROM $S.events e
       WHERE e.segment = $S.segment_of(t.id, w.partition, w.seq) AND e.partition_id = w.id AND e.seq = w.seq) e`,
    topic,
    places.map(({ id }) => id),
    places.map(({ partition }) => partition),
    places.map(({ next }) => next),
  )
  return new Map(rows)
}
