import type { StoredRecord } from '@millrace/core/driver'
import { EVENT_COLUMNS, type EventRow, recordOf, typeNameOf } from './records.ts'
import type { ReaderState } from './reader-state.ts'
import { firstSeqSince } from './seq-by-time.ts'
import { partitionsOf } from './topics.ts'

/** `ReadQuery` without what cannot travel to a thread. */
export interface BrowseQuery {
  readonly topic: string
  readonly after: readonly { readonly partition: number; readonly seq: number }[]
  readonly since: number | undefined
  readonly until: number | undefined
  readonly type: string | undefined
  readonly key: string | undefined
  readonly limit: number
  readonly backwards: boolean
  readonly partition: number | undefined
}

/** Rows looked at in one go, so that a search for a rare key does not hold up those who fetch. */
const SLICE = 5_000

/** One partition on its way: `low` and `high` bound what is still to be looked at, both inclusive. */
interface Walk {
  readonly partition: number
  readonly id: number
  low: number
  high: number
  rows: EventRow[]
  at: number
}

/** Events by recorded time, partition and position. Rests (yields) after each slice of rows. */
export function* browse(state: ReaderState, query: BrowseQuery): Generator<void, readonly StoredRecord[]> {
  const { topic, limit, backwards } = query
  const walks = startWalks(state, query)
  const typeId = query.type === undefined ? undefined : typeIdOf(state, query.type)
  if (typeId === null) return []
  const found: StoredRecord[] = []
  while (found.length < limit) {
    for (const walk of walks) {
      while (walk.at >= walk.rows.length && walk.low <= walk.high) {
        const looked = loadSlice(state, walk, { ...query, typeId, walks: walks.length })
        if (looked > SLICE / 2) yield
      }
    }
    const next = nextWalk(walks, backwards)
    const row = next?.rows[next.at]
    if (next === undefined || row === undefined) break
    next.at += 1
    found.push(recordOf(topic, next.partition, typeNameOf(state, row[2]), row))
  }
  return found
}

function startWalks(state: ReaderState, query: BrowseQuery): Walk[] {
  const { after, since, until, backwards } = query
  return partitionsOf(state, query.topic)
    .filter(({ partition }) => query.partition === undefined || partition === query.partition)
    .map((row) => {
      const mark = after.find(({ partition }) => partition === row.partition)?.seq
      let low = row.dropped + 1
      let high = row.head
      if (mark !== undefined && backwards) high = Math.min(high, mark - 1)
      if (mark !== undefined && !backwards) low = Math.max(low, mark + 1)
      if (since !== undefined) low = Math.max(low, firstSeqSince(state.sql, row, since))
      if (until !== undefined) high = Math.min(high, firstSeqSince(state.sql, row, until) - 1)
      return { partition: row.partition, id: row.id, low, high, rows: [], at: 0 }
    })
}

/** Loads the next rows of a walk; returns how many rows were looked at. */
function loadSlice(
  state: ReaderState,
  walk: Walk,
  {
    key,
    typeId,
    limit,
    backwards,
    walks,
  }: BrowseQuery & { readonly typeId: number | undefined; readonly walks: number },
): number {
  const filtered = typeId !== undefined || key !== undefined
  const span = filtered ? SLICE : Math.min(limit, Math.ceil((limit * 2) / walks) + 8)
  const from = backwards ? Math.max(walk.low, walk.high - span + 1) : walk.low
  const to = backwards ? walk.high : Math.min(walk.high, walk.low + span - 1)
  walk.rows = state.sql.arrays<EventRow>(
    `SELECT ${EVENT_COLUMNS} FROM events WHERE pos >= ((?1 << 44) | ?2) AND pos <= ((?1 << 44) | ?3)
       ${typeId === undefined ? '' : 'AND type = ?5'} ${key === undefined ? '' : 'AND key = ?6'}
     ORDER BY pos ${backwards ? 'DESC' : 'ASC'} LIMIT ?4`,
    ...([walk.id, from, to, limit] as const),
    ...(filtered ? [typeId ?? null, key ?? null].slice(0, key === undefined ? 1 : 2) : []),
  )
  walk.at = 0
  const cut = walk.rows.length === limit ? walk.rows.at(-1)?.[0] : undefined
  if (backwards) walk.high = (cut ?? from) - 1
  else walk.low = (cut ?? to) + 1
  return to - from + 1
}

function nextWalk(walks: readonly Walk[], backwards: boolean): Walk | undefined {
  let best: Walk | undefined
  for (const walk of walks) {
    const recorded = walk.rows[walk.at]?.[1]
    const bestRecorded = best?.rows[best.at]?.[1]
    if (recorded === undefined) continue
    if (bestRecorded === undefined || (backwards ? recorded >= bestRecorded : recorded < bestRecorded)) best = walk
  }
  return best
}

/** The number of a type; null when no event of it was ever stored. */
function typeIdOf({ sql }: ReaderState, type: string): number | null {
  return sql.get<{ id: number }>('SELECT id FROM types WHERE name = ?', type)?.id ?? null
}
