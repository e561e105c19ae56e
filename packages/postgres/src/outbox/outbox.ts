import type { FailingRow, OutboxRecord, OutboxRow, OutboxStatus, OutboxStore, RelayLease } from '@millrace/core/driver'
import { quoted } from '../database/client.ts'
import type { Database } from '../database/database.ts'
import type { Connection } from '../driver/connection.ts'
import type { HandlerTransactions } from '../inbox/handler-transactions.ts'
import { createOutboxNotices } from './outbox-notices.ts'
import { runInTransaction } from './transaction-handle.ts'

const MOST_COUNTED = 10_000

/** The outbox of one schema. */
export function createOutboxStore(current: () => Connection, handlers: HandlerTransactions): OutboxStore {
  const notices = createOutboxNotices(current)
  const database = (): Database => current().database

  return {
    async add(tx, records) {
      const { where, schema } = database()
      const run = handlers.of(tx) ?? runInTransaction(tx, where)
      await run(`SELECT ${quoted(schema)}.add_to_outbox_1($1)`, [JSON.stringify(records.map(columnsOf))])
      notices.added()
    },
    observe: async () => leaseOf(await database().first<LeaseRow>('SELECT owner, token, count FROM $S.relay_lease')),
    async claim(owner, { token, count }) {
      const row = await database().first<{ token: number }>(
        'UPDATE $S.relay_lease SET owner = $1, token = $S.next_token_1(), count = 0 WHERE token = $2 AND count = $3 RETURNING token',
        owner,
        token,
        count,
      )
      return row?.token
    },
    renew: async (token) =>
      (await database().run(
        'UPDATE $S.relay_lease SET count = count + 1 WHERE token = $S.live_token_1($1) AND owner IS NOT NULL',
        token,
      )) === 1,
    async release(token) {
      await database().run('UPDATE $S.relay_lease SET owner = NULL WHERE token = $1', token)
    },
    take: async (limit) =>
      (await database().rows<Row>('SELECT * FROM $S.take_outbox_1($1)', limit)).map(
        ({ n, key, correlation, ...row }): OutboxRow => ({
          ...row,
          rowId: String(n),
          key: key ?? undefined,
          correlationId: correlation ?? undefined,
        }),
      ),
    async settle({ token, done, failed }) {
      const rows = failed.map(({ rowId, delayMs, code, message }) => [rowId, Math.round(delayMs), code, message])
      const row = await database().first<{ held: boolean }>(
        'SELECT $S.settle_outbox_1($1, $2, $3) AS held',
        token,
        done,
        JSON.stringify(rows),
      )
      return row?.held === true ? 'done' : 'fenced'
    },
    status: async () => statusOf(database()),
    failing: async (limit) => failingRows(database(), limit),
    async resolve(rowIds, action) {
      const change = action === 'retry' ? 'UPDATE $S.outbox SET due = 0' : 'DELETE FROM $S.outbox'
      const rows = await database().rows<{ n: number }>(
        `${change} WHERE n = ANY ($1::bigint[]) AND attempts > 0 RETURNING n`,
        rowIds,
      )
      const resolved = new Set(rows.map(({ n }) => String(n)))
      return rowIds.filter((rowId) => resolved.has(rowId))
    },
    listen: notices.listen,
  }
}

interface LeaseRow {
  readonly owner: string | null
  readonly token: number
  readonly count: number
}

interface Row extends Omit<OutboxRow, 'rowId' | 'key' | 'correlationId'> {
  readonly n: number
  readonly key: string | null
  readonly correlation: string | null
}

function leaseOf(row: LeaseRow | undefined): RelayLease {
  return { owner: row?.owner ?? undefined, token: row?.token ?? 0, count: row?.count ?? 0 }
}

function columnsOf({ topic, type, source, id, key, correlationId, body }: OutboxRecord): readonly (string | null)[] {
  return [topic, type, source, id, key ?? null, correlationId ?? null, body]
}

async function statusOf(database: Database): Promise<OutboxStatus> {
  const row = await database.first<{ n: number; age: number | null; failing: number; owner: string | null }>(
    `SELECT (SELECT count(*) FROM (SELECT 1 FROM $S.outbox LIMIT ${MOST_COUNTED + 1}) o) AS n,
       (SELECT $S.now_ms() - o.added FROM $S.outbox o WHERE o.place > 0 ORDER BY o.place LIMIT 1) AS age,
       (SELECT count(*) FROM $S.outbox o WHERE o.attempts > 0) AS failing,
       (SELECT l.owner FROM $S.relay_lease l) AS owner`,
  )
  const counted = row?.n ?? 0
  return {
    waiting: Math.min(counted, MOST_COUNTED),
    exact: counted <= MOST_COUNTED,
    oldestMs: typeof row?.age === 'number' ? Math.max(0, row.age) : undefined,
    failing: row?.failing ?? 0,
    owner: row?.owner ?? undefined,
  }
}

async function failingRows(database: Database, limit: number): Promise<FailingRow[]> {
  const rows = await database.rows<Omit<FailingRow, 'rowId' | 'key'> & { n: number; key: string | null }>(
    `SELECT n, topic, type, id, key, attempts, code, message, greatest(0, due - $S.now_ms()) AS "dueMs"
     FROM $S.outbox WHERE attempts > 0 ORDER BY place LIMIT $1`,
    limit,
  )
  return rows.map(({ n, key, ...row }) => ({ ...row, rowId: String(n), key: key ?? undefined }))
}
