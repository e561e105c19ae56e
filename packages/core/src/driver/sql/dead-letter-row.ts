import type { DeadLetter } from '../dead-letter-store.ts'
import { positionOf } from './sequence.ts'

/** A row of `dead_letters` with the name of its group. */
export interface DeadLetterRow {
  readonly n: number
  readonly group_id: number
  readonly group_name: string
  readonly topic: string
  readonly partition: number
  readonly seq: number
  readonly generation: number
  readonly lane_key: string | null
  readonly code: string
  readonly message: string
  readonly stack: string | null
  readonly attempts: number
  readonly first_failed: number
  readonly last_failed: number
  readonly fingerprint: string
  readonly event_id: string
  readonly type: string
  readonly key: string | null
  readonly recorded: number
  readonly body: string
}

const ID_WIDTH = 12

/** The id of a letter: its row number, which is never given again. */
function letterIdOf(n: number): string {
  return `dl-${String(n).padStart(ID_WIDTH, '0')}`
}

/** The row number of an id; 0, which no row has, for what is not an id. */
export function numberOfLetter(id: string): number {
  return /^dl-\d{12}$/.test(id) ? Number(id.slice(3)) : 0
}

/** The letter of a row; `decode` gives back the names that the engine had to write in another way. */
export function deadLetterOf(row: DeadLetterRow, decode: (name: string) => string = (name) => name): DeadLetter {
  const { topic, partition } = row
  const optional = (name: string | null): string | undefined => (name === null ? undefined : decode(name))
  const position = positionOf(row.seq)
  return {
    id: letterIdOf(row.n),
    group: row.group_name,
    topic,
    partition,
    position,
    generation: row.generation,
    laneKey: optional(row.lane_key),
    code: row.code,
    message: row.message,
    stack: row.stack ?? undefined,
    attempts: row.attempts,
    firstFailedAt: row.first_failed,
    lastFailedAt: row.last_failed,
    fingerprint: row.fingerprint,
    record: {
      topic,
      partition,
      position,
      id: decode(row.event_id),
      type: decode(row.type),
      key: optional(row.key),
      recordedAt: row.recorded,
      body: row.body,
    },
  }
}
