import type { StoredRecord } from '@millrace/core/driver'
import { EVENT_COLUMNS, type EventRow, recordOf, typeNameOf } from './records.ts'
import type { ReaderState } from './reader-state.ts'

const MOST_BY_ID = 100
/** An event with its topic and partition; what remains of removed topics is left out by the joins. */
const SELECT = `
  SELECT ${EVENT_COLUMNS}, t.name, p.partition FROM events e
  JOIN partitions p ON p.id = e.pos >> 44 JOIN topics t ON t.id = p.topic`.replace(
  'recorded, type, id',
  'e.recorded, type, e.id',
)

type FoundRow = [...EventRow, topic: string, partition: number]

/** Events of one id, of one source when it is given. */
export function findById(
  state: ReaderState,
  { id, source }: { readonly id: string; readonly source: string | undefined },
): readonly StoredRecord[] {
  const condition = source === undefined ? '' : 'AND e.source = (SELECT id FROM sources WHERE name = ?2)'
  const rows = state.sql.arrays<FoundRow>(
    `${SELECT} WHERE e.id = ?1 ${condition} ORDER BY e.recorded, e.pos LIMIT ${MOST_BY_ID}`,
    ...(source === undefined ? [id] : [id, source]),
  )
  return rows.map((row) => foundRecord(state, row))
}

/** The event that began a flow and those that carry its correlation id, by recorded time. */
export function findByCorrelation(
  state: ReaderState,
  { correlationId, limit }: { readonly correlationId: string; readonly limit: number },
): readonly StoredRecord[] {
  const began = state.sql.arrays<FoundRow>(`${SELECT} WHERE e.id = ?1 AND e.correlation IS NULL`, correlationId)
  const followed = state.sql.arrays<FoundRow>(
    `${SELECT} WHERE e.correlation = ?1 ORDER BY e.recorded, e.pos LIMIT ?2`,
    correlationId,
    limit,
  )
  return [...began, ...followed]
    .sort((left, right) => left[1] - right[1])
    .slice(0, limit)
    .map((row) => foundRecord(state, row))
}

function foundRecord(state: ReaderState, row: FoundRow): StoredRecord {
  const [seq, recorded, type, id, key, body, topic, partition] = row
  return recordOf(topic, partition, typeNameOf(state, type), [seq, recorded, type, id, key, body])
}
