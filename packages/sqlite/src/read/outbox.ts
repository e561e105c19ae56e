import type { FailingRow, OutboxRow, OutboxStatus, RelayLease } from '@millrace/core/driver'
import type { ReaderState } from './reader-state.ts'

const MOST_COUNTED = 10_000
/** A key rests while a row that has failed is not due; when it is, that row goes alone, lest those behind it pass it again. */
const TAKE = `
  SELECT n, topic, type, source, id, key, correlation, body, attempts FROM outbox AS o
  WHERE due <= ?1 AND NOT EXISTS (
    SELECT 1 FROM outbox AS f WHERE f.attempts > 0 AND f.topic = o.topic AND f.key = o.key
      AND (f.due > ?1 OR f.n < o.n))
  ORDER BY n LIMIT ?2`

interface Row {
  readonly n: number
  readonly topic: string
  readonly type: string
  readonly source: string
  readonly id: string
  readonly key: string | null
  readonly correlation: string | null
  readonly body: string
  readonly attempts: number
}

/** Who forwards. */
export function observeRelay({ sql }: ReaderState): RelayLease {
  const row = sql.get<{ owner: string | null; token: number; count: number }>(
    'SELECT owner, token, count FROM relay_lease',
  )
  return { owner: row?.owner ?? undefined, token: row?.token ?? 0, count: row?.count ?? 0 }
}

/** The rows to forward next. */
export function takeOutbox({ sql, now }: ReaderState, { limit }: { readonly limit: number }): OutboxRow[] {
  return sql.all<Row>(TAKE, now(), limit).map(({ n, key, correlation, topic, type, source, id, body, attempts }) => ({
    rowId: String(n),
    topic,
    type,
    source,
    id,
    key: key ?? undefined,
    correlationId: correlation ?? undefined,
    body,
    attempts,
  }))
}

/** How much waits. */
export function outboxStatus(state: ReaderState): OutboxStatus {
  const { sql, now } = state
  const counted = sql.get<{ n: number }>(`SELECT count(*) AS n FROM (SELECT 1 FROM outbox LIMIT ${MOST_COUNTED + 1})`)
  const oldest = sql.get<{ added: number }>('SELECT added FROM outbox ORDER BY n LIMIT 1')
  const failing = sql.get<{ n: number }>('SELECT count(*) AS n FROM outbox WHERE attempts > 0')
  const waiting = Math.min(counted?.n ?? 0, MOST_COUNTED)
  return {
    waiting,
    exact: waiting === (counted?.n ?? 0),
    oldestMs: oldest === undefined ? undefined : Math.max(0, now() - oldest.added),
    failing: failing?.n ?? 0,
    owner: observeRelay(state).owner,
  }
}

/** Rows that have failed, oldest first. */
export function failingRows({ sql, now }: ReaderState, { limit }: { readonly limit: number }): FailingRow[] {
  const rows = sql.all<Row & { readonly due: number; readonly code: string; readonly message: string }>(
    'SELECT n, topic, type, id, key, attempts, due, code, message FROM outbox WHERE attempts > 0 ORDER BY n LIMIT ?',
    limit,
  )
  return rows.map(({ n, topic, type, id, key, attempts, due, code, message }) => ({
    rowId: String(n),
    topic,
    type,
    id,
    key: key ?? undefined,
    attempts,
    code,
    message,
    dueMs: Math.max(0, due - now()),
  }))
}
