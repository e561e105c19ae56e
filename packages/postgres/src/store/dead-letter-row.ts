import type { DeadLetter } from '@millrace/core/driver'
import { decodeName, decodeOptional } from '../name-codec.ts'
import { positionOf } from '../position.ts'

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

/** Selects `DeadLetterRow`s; a condition over `d` (letter) and `g` (group) may follow. */
export const SELECT_DEAD_LETTER: string = `
  SELECT d.*, g.name AS group_name FROM $S.dead_letters d JOIN $S.groups g ON g.id = d.group_id`

const ID_WIDTH = 12

/** The id of a letter: its row number, which is never given again. */
export function letterIdOf(n: number): string {
  return `dl-${String(n).padStart(ID_WIDTH, '0')}`
}

/** The row number of an id; 0, which no row has, for what is not an id. */
export function numberOfLetter(id: string): number {
  return /^dl-\d{12}$/.test(id) ? Number(id.slice(3)) : 0
}

/** The letter of a row. */
export function deadLetterOf(row: DeadLetterRow): DeadLetter {
  const { topic, partition } = row
  const position = positionOf(row.seq)
  return {
    id: letterIdOf(row.n),
    group: row.group_name,
    topic,
    partition,
    position,
    generation: row.generation,
    laneKey: decodeOptional(row.lane_key),
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
      id: decodeName(row.event_id),
      type: decodeName(row.type),
      key: decodeOptional(row.key),
      recordedAt: row.recorded,
      body: row.body,
    },
  }
}
