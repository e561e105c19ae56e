import { positionOf, type StoredRecord } from '@millrace/core/driver'
import type { Database } from '../database/database.ts'
import { decodeName, decodeOptional, encodeName, encodeOptional } from '../name-codec.ts'

const MOST_BY_ID = 100
/** Events that are held, with their topic and partition; what remains of removed topics is left out by the joins. */
const SELECT = `
  SELECT t.name AS topic, p.partition, e.seq, e.recorded, e.type, e.id, e.key, e.body FROM $S.events e
  JOIN $S.partitions p ON p.id = e.partition_id JOIN $S.floors f ON f.partition_id = p.id AND e.seq > f.dropped
  JOIN $S.topics t ON t.id = p.topic`

interface FoundRow {
  readonly topic: string
  readonly partition: number
  readonly seq: number
  readonly recorded: number
  readonly type: string
  readonly id: string
  readonly key: string | null
  readonly body: string
}

/** Events of one id, of one source when it is given. */
export async function findById(
  database: Database,
  id: string,
  source: string | undefined,
): Promise<readonly StoredRecord[]> {
  const rows = await database.rows<FoundRow>(
    `${SELECT} WHERE e.id = $1 AND ($2::text IS NULL OR e.source = $2) ORDER BY e.recorded, p.id, e.seq LIMIT ${MOST_BY_ID}`,
    encodeName(id),
    encodeOptional(source),
  )
  return rows.map(recordOf)
}

/** The event that began a flow and those that carry its correlation id, by recorded time. */
export async function findByCorrelation(
  database: Database,
  correlationId: string,
  limit: number,
): Promise<readonly StoredRecord[]> {
  const rows = await database.rows<FoundRow>(
    `SELECT * FROM (
       (${SELECT} WHERE e.id = $1 AND e.correlation IS NULL)
       UNION ALL
       (${SELECT} WHERE e.correlation = $1 ORDER BY e.recorded, p.id, e.seq LIMIT $2)) f
     ORDER BY f.recorded, f.topic, f.partition, f.seq LIMIT $2`,
    encodeName(correlationId),
    limit,
  )
  return rows.map(recordOf)
}

function recordOf({ topic, partition, seq, recorded, type, id, key, body }: FoundRow): StoredRecord {
  const names = { id: decodeName(id), type: decodeName(type), key: decodeOptional(key) }
  return { topic, partition, position: positionOf(seq), ...names, recordedAt: recorded, body }
}
