import type { OutboxChanges, OutboxRecord, RelayLease } from '@millrace/core/driver'
import type { WriterState } from './writer-state.ts'

const INSERT = `
  INSERT INTO outbox (added, topic, type, source, id, key, correlation, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
const HOLDS = 'SELECT 1 AS holds FROM relay_lease WHERE token = ? AND owner IS NOT NULL'

/** Writes rows, in order, in whatever transaction is open. */
export function addToOutbox({ sql, now }: Pick<WriterState, 'sql' | 'now'>, records: readonly OutboxRecord[]): void {
  const insert = sql.prepared(INSERT)
  for (const { topic, type, source, id, key, correlationId, body } of records) {
    insert.run(now(), topic, type, source, id, key ?? null, correlationId ?? null, body)
  }
}

/** Takes the lease if it is the one observed; gives the new token. */
export function claimRelay(
  { sql }: WriterState,
  { owner, observed }: { readonly owner: string; readonly observed: RelayLease },
): number | undefined {
  return sql.get<{ token: number }>(
    'UPDATE relay_lease SET owner = ?, token = token + 1, count = 0 WHERE token = ? AND count = ? RETURNING token',
    owner,
    observed.token,
    observed.count,
  )?.token
}

/** Counts up for the holder. */
export function renewRelay({ sql }: WriterState, { token }: { readonly token: number }): boolean {
  return sql.run('UPDATE relay_lease SET count = count + 1 WHERE token = ? AND owner IS NOT NULL', token) === 1
}

/** Makes the lease free; the token stays what it was, so that the next one is a new one. */
export function releaseRelay({ sql }: WriterState, { token }: { readonly token: number }): void {
  sql.run('UPDATE relay_lease SET owner = NULL WHERE token = ?', token)
}

/** Removes and marks rows under the token. */
export function settleOutbox({ sql, now }: WriterState, { token, done, failed }: OutboxChanges): 'done' | 'fenced' {
  if (sql.get(HOLDS, token) === undefined) return 'fenced'
  for (const rowId of done) sql.run('DELETE FROM outbox WHERE n = ?', Number(rowId))
  for (const { rowId, delayMs, code, message } of failed) {
    sql.run(
      'UPDATE outbox SET attempts = attempts + 1, due = ?, code = ?, message = ? WHERE n = ?',
      now() + delayMs,
      code,
      message,
      Number(rowId),
    )
  }
  return 'done'
}

/** Makes failed rows due, or removes them. */
export function resolveOutbox(
  { sql }: WriterState,
  { rowIds, action }: { readonly rowIds: readonly string[]; readonly action: 'retry' | 'discard' },
): string[] {
  const text =
    action === 'retry'
      ? 'UPDATE outbox SET due = 0 WHERE n = ? AND attempts > 0'
      : 'DELETE FROM outbox WHERE n = ? AND attempts > 0'
  return rowIds.filter((rowId) => sql.run(text, Number(rowId)) === 1)
}
