import {
  type DeadLetter,
  deadLetterOf,
  type DeadLetterRow,
  type NewDeadLetter,
  numberOfLetter,
  seqOf,
  type StoredRecord,
} from '@millrace/core/driver'
import { SELECT_DEAD_LETTER } from '../select-dead-letter.ts'
import { type GroupPlace, groupPlaceOf, holdsToken } from './fence.ts'
import { insertEntry, takeEntry } from './lane.ts'
import { orderKeyOf, refreshLaneKey, setParked } from './lane-keys.ts'
import type { WriterState } from './writer-state.ts'

/** Taken letters whose numbers are remembered, so that a letter that comes back has its old id. */
const MOST_REMEMBERED = 10_000
const OF_PLACE = 'group_id = ?1 AND topic = ?2 AND partition = ?3 AND seq = ?4 AND generation = ?5'
const PUT = `
  INSERT INTO dead_letters (n, group_id, topic, partition, seq, generation, lane_key, code, message, stack, attempts,
    first_failed, last_failed, fingerprint, event_id, type, key, recorded, body)
  VALUES ((SELECT n FROM taken_letters WHERE ${OF_PLACE}),
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
  ON CONFLICT (group_id, topic, partition, seq, generation) DO UPDATE SET lane_key = excluded.lane_key,
    code = excluded.code, message = excluded.message, stack = excluded.stack, attempts = excluded.attempts,
    first_failed = excluded.first_failed, last_failed = excluded.last_failed, fingerprint = excluded.fingerprint,
    event_id = excluded.event_id, type = excluded.type, key = excluded.key, recorded = excluded.recorded,
    body = excluded.body`

/** Writes dead letters under their partitions' token, all or nothing. */
export function putDeadLetters(
  state: WriterState,
  {
    letters,
    token,
    park,
  }: { readonly letters: readonly NewDeadLetter[]; readonly token: number; readonly park: boolean },
): 'stored' | 'fenced' {
  for (const letter of letters) if (!holdsToken(state, groupPlaceOf(state, letter), token)) return 'fenced'
  for (const letter of letters) {
    const { record } = letter
    const groupPlace = groupPlaceOf(state, letter)
    const seq = seqOf(letter.position)
    const place = [groupPlace.groupId, letter.topic, letter.partition, seq, letter.generation] as const
    state.sql.run(
      PUT,
      ...place,
      letter.laneKey ?? null,
      letter.code,
      letter.message,
      letter.stack ?? null,
      letter.attempts,
      letter.firstFailedAt,
      letter.lastFailedAt,
      letter.fingerprint,
      record.id,
      record.type,
      record.key ?? null,
      record.recordedAt,
      record.body,
    )
    state.sql.run(`DELETE FROM taken_letters WHERE ${OF_PLACE}`, ...place)
    takeEntry(state, groupPlace, { seq, generation: letter.generation })
    if (park && letter.laneKey !== undefined) setParked(state, groupPlace, letter.laneKey, true)
  }
  return 'stored'
}

/** Moves letters into the side lane of their group, due at once; returns the ids that were moved. */
export function requeue(
  state: WriterState,
  { ids, replace }: { readonly ids: readonly string[]; readonly replace?: StoredRecord },
): string[] {
  return take(state, ids, (letter, place) => {
    const entry = {
      group: letter.group,
      laneKey: letter.laneKey,
      record: replace === undefined ? letter.record : { ...replace, position: letter.position },
      delayMs: 0,
      attempts: 0,
      firstFailedAt: undefined,
      reason: 'requeue' as const,
      generation: letter.generation,
    }
    if (place.partitionId === 0) return false
    insertEntry(state, place, entry)
    refreshLaneKey(state, { ...place, orderKey: orderKeyOf(entry) })
    return true
  })
}

/** Removes letters; returns the ids that were there. */
export function discard(state: WriterState, { ids }: { readonly ids: readonly string[] }): string[] {
  return take(state, ids, () => true)
}

/**
 * Takes letters out one by one, and unparks the keys that no other letter holds. A letter that `onTaken` has no use for
 * (its topic was removed) stays.
 */
function take(
  state: WriterState,
  ids: readonly string[],
  onTaken: (letter: DeadLetter, place: GroupPlace) => boolean,
): string[] {
  const taken: string[] = []
  for (const id of ids) {
    const n = numberOfLetter(id)
    const row = state.sql.get<DeadLetterRow>(`${SELECT_DEAD_LETTER} WHERE d.n = ?`, n)
    if (row === undefined) continue
    const letter = deadLetterOf(row)
    const place = groupPlaceOf(state, letter)
    if (!onTaken(letter, place)) continue
    const values = [row.group_id, row.topic, row.partition] as const
    state.sql.run('DELETE FROM dead_letters WHERE n = ?', n)
    state.sql.run('INSERT INTO taken_letters VALUES (?, ?, ?, ?, ?, ?)', n, ...values, row.seq, row.generation)
    taken.push(id)
    if (row.lane_key === null) continue
    const other = state.sql.get(
      'SELECT 1 FROM dead_letters WHERE group_id = ? AND topic = ? AND partition = ? AND lane_key = ? LIMIT 1',
      ...values,
      row.lane_key,
    )
    if (other === undefined) setParked(state, place, row.lane_key, false)
  }
  if (taken.length > 0) {
    state.sql.run(
      'DELETE FROM taken_letters WHERE n <= (SELECT n FROM taken_letters ORDER BY n DESC LIMIT 1 OFFSET ?)',
      MOST_REMEMBERED,
    )
  }
  return taken
}
