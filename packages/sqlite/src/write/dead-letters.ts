import type { NewDeadLetter, StoredRecord } from '@millrace/core/driver'
import { type DeadLetterRow, deadLetterOf, numberOfLetter, SELECT_DEAD_LETTER } from '../dead-letter-row.ts'
import { seqOf } from '../position.ts'
import { groupPlaceOf, holdsToken } from './fence.ts'
import { insertEntry } from './lane.ts'
import { orderKeyOf, refreshLaneKey, setParked } from './lane-keys.ts'
import type { WriterState } from './writer-state.ts'

const PUT = `
  INSERT INTO dead_letters (group_id, partition_id, seq, generation, lane_key, code, message, stack, attempts,
    first_failed, last_failed, fingerprint, event_id, type, key, recorded, body)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET lane_key = excluded.lane_key, code = excluded.code, message = excluded.message,
    stack = excluded.stack, attempts = excluded.attempts, first_failed = excluded.first_failed,
    last_failed = excluded.last_failed, fingerprint = excluded.fingerprint, event_id = excluded.event_id,
    type = excluded.type, key = excluded.key, recorded = excluded.recorded, body = excluded.body`

/** Writes dead letters under their partitions' token, all or nothing. */
export function putDeadLetters(
  state: WriterState,
  { letters, token }: { readonly letters: readonly NewDeadLetter[]; readonly token: number },
): 'stored' | 'fenced' {
  for (const letter of letters) if (!holdsToken(state, groupPlaceOf(state, letter), token)) return 'fenced'
  for (const letter of letters) {
    const { groupId, partitionId } = groupPlaceOf(state, letter)
    const seq = seqOf(letter.position)
    state.sql.run(
      'DELETE FROM dead_letters WHERE group_id = ? AND partition_id = ? AND seq = ? AND generation <> ?',
      groupId,
      partitionId,
      seq,
      letter.generation,
    )
    const { record } = letter
    state.sql.run(
      PUT,
      groupId,
      partitionId,
      seq,
      letter.generation,
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
  }
  return 'stored'
}

/** Moves letters into the side lane of their group, due at once; returns the ids that were there. */
export function requeue(
  state: WriterState,
  { ids, replace }: { readonly ids: readonly string[]; readonly replace?: StoredRecord },
): string[] {
  return take(state, ids, (row) => {
    const letter = deadLetterOf(row)
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
    const place = { groupId: row.group_id, partitionId: row.partition_id }
    insertEntry(state, place, entry)
    refreshLaneKey(state, { ...place, orderKey: orderKeyOf(entry) })
  })
}

/** Removes letters; returns the ids that were there. */
export function discard(state: WriterState, { ids }: { readonly ids: readonly string[] }): string[] {
  return take(state, ids, () => {})
}

/** Takes letters out one by one, and unparks the keys that no other letter holds. */
function take(state: WriterState, ids: readonly string[], onTaken: (row: DeadLetterRow) => void): string[] {
  const taken: string[] = []
  for (const id of ids) {
    const n = numberOfLetter(id)
    const row = state.sql.get<DeadLetterRow>(`${SELECT_DEAD_LETTER} WHERE d.n = ?`, n)
    if (row === undefined) continue
    state.sql.run('DELETE FROM dead_letters WHERE n = ?', n)
    onTaken(row)
    taken.push(id)
    if (row.lane_key === null) continue
    const other = state.sql.get(
      'SELECT 1 FROM dead_letters WHERE group_id = ? AND partition_id = ? AND lane_key = ? LIMIT 1',
      row.group_id,
      row.partition_id,
      row.lane_key,
    )
    const place = { groupId: row.group_id, partitionId: row.partition_id }
    if (other === undefined) setParked(state, place, row.lane_key, false)
  }
  return taken
}
