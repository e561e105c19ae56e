import {
  type DeadLetter,
  type DeadLetterCount,
  deadLetterOf,
  type DeadLetterQuery,
  type DeadLetterRow,
  type EventPlace,
  numberOfLetter,
  positionOf,
  seqOf,
} from '@millrace/core/driver'
import type { SQLInputValue } from 'node:sqlite'
import { SELECT_DEAD_LETTER } from '../select-dead-letter.ts'
import type { ReaderState } from './reader-state.ts'

/** Newest first. */
export function listDeadLetters(state: ReaderState, query: DeadLetterQuery): readonly DeadLetter[] {
  const conditions: string[] = []
  const values: SQLInputValue[] = []
  const where = (condition: string, value: SQLInputValue | undefined): void => {
    if (value === undefined) return
    conditions.push(condition)
    values.push(value)
  }
  where('g.name = ?', query.group)
  where('d.fingerprint = ?', query.fingerprint)
  where('d.topic = ?', query.topic)
  where('d.type = ?', query.type)
  where('d.event_id = ?', query.eventId)
  where('d.last_failed >= ?', query.since)
  where('d.last_failed < ?', query.until)
  where('d.n < ?', query.after === undefined ? undefined : numberOfLetter(query.after))
  const condition = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  const rows = state.sql.all<DeadLetterRow>(
    `${SELECT_DEAD_LETTER} ${condition} ORDER BY d.n DESC LIMIT ?`,
    ...values,
    query.limit,
  )
  return rows.map((row) => deadLetterOf(row))
}

export function getDeadLetter(state: ReaderState, { id }: { readonly id: string }): DeadLetter | undefined {
  const row = state.sql.get<DeadLetterRow>(`${SELECT_DEAD_LETTER} WHERE d.n = ?`, numberOfLetter(id))
  return row === undefined ? undefined : deadLetterOf(row)
}

/** Which of these positions are dead-lettered already from their first delivery. */
export function deadLettersAmong(
  state: ReaderState,
  { place, positions }: { readonly place: Omit<EventPlace, 'position'>; readonly positions: readonly string[] },
): readonly string[] {
  const rows = state.sql.arrays<[seq: number]>(
    `SELECT d.seq FROM dead_letters d JOIN json_each(?4) wanted ON wanted.value = d.seq
     WHERE d.group_id = (SELECT id FROM groups WHERE name = ?1) AND d.topic = ?2 AND d.partition = ?3 AND d.generation = 0
     ORDER BY d.seq`,
    place.group,
    place.topic,
    place.partition,
    JSON.stringify(positions.map(seqOf)),
  )
  return rows.map(([seq]) => positionOf(seq))
}

/** By group and fingerprint, with the newest message of each. */
export function countDeadLetters(
  state: ReaderState,
  { group }: { readonly group: string | undefined },
): readonly DeadLetterCount[] {
  const counts = state.sql.all<DeadLetterCount>(
    `SELECT g.name AS "group", d.fingerprint, d.code, d.message, count(*) AS count, max(d.last_failed) AS lastFailedAt
     FROM dead_letters d JOIN groups g ON g.id = d.group_id WHERE ?1 IS NULL OR g.name = ?1
     GROUP BY d.group_id, d.fingerprint ORDER BY g.name, count DESC, d.fingerprint`,
    group ?? null,
  )
  return counts.map((count) => ({ ...count }))
}
