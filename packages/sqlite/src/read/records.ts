import { positionOf, type StoredRecord } from '@millrace/core/driver'
import type { EventReading } from './reader-state.ts'

/** The columns of `EventRow`, in its order. */
export const EVENT_COLUMNS = 'pos & 0xFFFFFFFFFFF, recorded, type, id, key, body'

export type EventRow = [seq: number, recorded: number, type: number, id: string, key: string | null, body: string]

/** The name of a type's number; names are never removed, so they are kept for good. */
export function typeNameOf(state: EventReading, type: number): string {
  let name = state.typeNames.get(type)
  if (name === undefined) {
    name = state.sql.get<{ name: string }>('SELECT name FROM types WHERE id = ?', type)?.name ?? ''
    state.typeNames.set(type, name)
  }
  return name
}

/** A row as a record. */
export function recordOf(topic: string, partition: number, typeName: string, row: EventRow): StoredRecord {
  return {
    topic,
    partition,
    position: positionOf(row[0]),
    id: row[3],
    type: typeName,
    key: row[4] ?? undefined,
    recordedAt: row[1],
    body: row[5],
  }
}
