import { EVENT_COLUMNS, type EventRow, typeNameOf } from './records.ts'
import type { EventReading } from './reader-state.ts'

/** Where to read on, and how much in all. The order of the partitions is the order of their turns. */
export interface FetchQuery {
  readonly topic: string
  readonly partitions: readonly { readonly partition: number; readonly after: number }[]
  readonly max: number
}

/** Events by partition, each list in position order, and the names of the types in them. */
export interface FetchReply {
  readonly partitions: readonly { readonly partition: number; readonly rows: readonly EventRow[] }[]
  readonly types: readonly (readonly [type: number, name: string])[]
}

const SELECT = `
  SELECT ${EVENT_COLUMNS} FROM events WHERE pos > ((?1 << 44) | ?2) AND pos < ((?1 + 1) << 44) ORDER BY pos LIMIT ?3`

/** The next events of some partitions: an equal share for each, then what is left for those that have more. */
export function fetch(
  state: EventReading,
  { topic, partitions, max }: FetchQuery,
  ids: ReadonlyMap<number, number> = partitionIds(state, topic),
): FetchReply {
  const found = partitions.map(({ partition, after }) => ({
    partition,
    after,
    id: ids.get(partition) ?? 0,
    rows: [] as EventRow[],
  }))
  let hungry = found
  let left = max
  while (hungry.length > 0 && left > 0) {
    const share = Math.ceil(left / hungry.length)
    const more: typeof found = []
    for (const place of hungry) {
      const wanted = Math.min(share, left)
      if (wanted === 0) break
      const rows = state.sql.arrays<EventRow>(SELECT, place.id, place.rows.at(-1)?.[0] ?? place.after, wanted)
      for (const row of rows) place.rows.push(row)
      left -= rows.length
      if (rows.length === wanted) more.push(place)
    }
    hungry = more
  }
  const types = new Map<number, string>()
  for (const { rows } of found)
    for (const row of rows) if (!types.has(row[2])) types.set(row[2], typeNameOf(state, row[2]))
  return {
    partitions: found.filter(({ rows }) => rows.length > 0).map(({ partition, rows }) => ({ partition, rows })),
    types: [...types],
  }
}

function partitionIds(state: EventReading, topic: string): ReadonlyMap<number, number> {
  const rows = state.sql.all<{ id: number; partition: number }>(
    'SELECT p.id, p.partition FROM partitions p JOIN topics t ON t.id = p.topic WHERE t.name = ?',
    topic,
  )
  return new Map(rows.map(({ id, partition }) => [partition, id]))
}
