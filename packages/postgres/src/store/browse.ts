import { positionOf, type ReadQuery, seqOf, type StoredRecord } from '@millrace/core/driver'
import type { Database } from '../database/database.ts'
import { decodeName, decodeOptional, encodeOptional } from '../name-codec.ts'
import { unknownTopic } from './topics.ts'

/** Positions looked at in one go when a type or key is looked for. */
const SLICE = 5_000

/** One partition on its way: `low` and `high` bound what is still to be looked at, both inclusive. */
interface Walk {
  readonly partition: number
  readonly id: number
  low: number
  high: number
  rows: StoredRecord[]
  at: number
}

/** Events by recorded time, partition and position. */
export async function browse(database: Database, query: ReadQuery): Promise<readonly StoredRecord[]> {
  const { limit, backwards = false } = query
  const walks = await startWalks(database, query)
  const found: StoredRecord[] = []
  while (found.length < limit) {
    for (;;) {
      const hungry = walks.filter((walk) => walk.at >= walk.rows.length && walk.low <= walk.high)
      if (hungry.length === 0) break
      await loadSlices(database, hungry, query, walks.length)
    }
    const walk = nextWalk(walks, backwards)
    const record = walk?.rows[walk.at]
    if (walk === undefined || record === undefined) break
    walk.at += 1
    found.push(record)
  }
  return found
}

interface WalkRow {
  readonly id: number
  readonly partition: number
  readonly head: number
  readonly dropped: number
  readonly since: number | null
  readonly until: number | null
}

async function startWalks(database: Database, query: ReadQuery): Promise<Walk[]> {
  const { topic, after = [], since, until, backwards = false } = query
  const rows = await database.rows<WalkRow>(
    `SELECT p.id, p.partition, p.head, f.dropped,
       CASE WHEN $2::bigint IS NOT NULL THEN $S.seq_since_1(p.id, $2) END AS since,
       CASE WHEN $3::bigint IS NOT NULL THEN $S.seq_since_1(p.id, $3) END AS until
     FROM $S.topics t JOIN $S.partitions p ON p.topic = t.id JOIN $S.floors f ON f.partition_id = p.id
     WHERE t.name = $1 ORDER BY p.partition`,
    topic,
    since === undefined ? null : Math.ceil(since),
    until === undefined ? null : Math.ceil(until),
  )
  if (rows.length === 0) throw unknownTopic(topic)
  const marks = new Map(after.map((place) => [place.partition, seqOf(place.position)]))
  return rows
    .filter(({ partition }) => query.partition === undefined || partition === query.partition)
    .map((row) => {
      const mark = marks.get(row.partition)
      let low = row.dropped + 1
      let high = row.head
      if (mark !== undefined && backwards) high = Math.min(high, mark - 1)
      if (mark !== undefined && !backwards) low = Math.max(low, mark + 1)
      if (row.since !== null) low = Math.max(low, row.since)
      if (row.until !== null) high = Math.min(high, row.until - 1)
      return { partition: row.partition, id: row.id, low, high, rows: [], at: 0 }
    })
}

type BrowseRow = [
  id: number,
  seq: number,
  recorded: number,
  type: string,
  event: string,
  key: string | null,
  body: string,
]

/** Loads the next rows of some walks in one statement. */
async function loadSlices(
  database: Database,
  hungry: readonly Walk[],
  { topic, type, key, limit, backwards = false }: ReadQuery,
  walks: number,
): Promise<void> {
  const filtered = type !== undefined || key !== undefined
  const span = filtered ? SLICE : Math.min(limit, Math.ceil((limit * 2) / walks) + 8)
  const slices = hungry.map((walk) => ({
    walk,
    from: backwards ? Math.max(walk.low, walk.high - span + 1) : walk.low,
    to: backwards ? walk.high : Math.min(walk.high, walk.low + span - 1),
  }))
  const rows = await database.arrays<BrowseRow>(
    `SELECT w.id, e.seq, e.recorded, e.type, e.id, e.key, e.body FROM unnest($2::int[], $3::bigint[], $4::bigint[]) AS w(id, low, high)
     CROSS JOIN LATERAL (
       SELECT * FROM $S.events e
       WHERE e.segment = ANY (ARRAY (SELECT s.id FROM $S.segments s JOIN $S.topics t ON t.id = s.topic WHERE t.name = $1))
         AND e.partition_id = w.id AND e.seq BETWEEN w.low AND w.high
         AND ($5::text IS NULL OR e.type = $5) AND ($6::text IS NULL OR e.key = $6)
       ORDER BY e.seq ${backwards ? 'DESC' : 'ASC'} LIMIT $7) e`,
    topic,
    slices.map(({ walk }) => walk.id),
    slices.map(({ from }) => from),
    slices.map(({ to }) => to),
    encodeOptional(type),
    encodeOptional(key),
    limit,
  )
  const byId = new Map(slices.map(({ walk }) => [walk.id, [] as StoredRecord[]]))
  for (const [id, seq, recordedAt, typeName, event, eventKey, body] of rows) {
    const walk = slices.find((slice) => slice.walk.id === id)?.walk
    if (walk === undefined) continue
    byId.get(id)?.push({
      topic,
      partition: walk.partition,
      position: positionOf(seq),
      id: decodeName(event),
      type: decodeName(typeName),
      key: decodeOptional(eventKey),
      recordedAt,
      body,
    })
  }
  for (const { walk, from, to } of slices) {
    walk.rows = byId.get(walk.id) ?? []
    walk.at = 0
    const cut = walk.rows.length === limit ? seqOf(walk.rows.at(-1)?.position) : undefined
    if (backwards) walk.high = (cut ?? from) - 1
    else walk.low = (cut ?? to) + 1
  }
}

function nextWalk(walks: readonly Walk[], backwards: boolean): Walk | undefined {
  let best: Walk | undefined
  for (const walk of walks) {
    const recorded = walk.rows[walk.at]?.recordedAt
    const bestRecorded = best?.rows[best.at]?.recordedAt
    if (recorded === undefined) continue
    if (bestRecorded === undefined || (backwards ? recorded >= bestRecorded : recorded < bestRecorded)) best = walk
  }
  return best
}
