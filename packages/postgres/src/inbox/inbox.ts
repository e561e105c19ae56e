import {
  type HandlerTransaction,
  type InboxEntry,
  type InboxStore,
  type InboxWork,
  isMillraceError,
  MillraceError,
  type SqlStatement,
} from '@millrace/core/driver'
import type { PoolClient } from 'pg'
import { quoted } from '../database/client.ts'
import type { Database } from '../database/database.ts'
import { stateOf, toEngineError } from '../database/postgres-error.ts'
import type { Connection } from '../driver/connection.ts'
import type { HandlerTransactions } from './handler-transactions.ts'
import type { InboxPool } from './inbox-pool.ts'
import { createInboxUpkeep } from './inbox-upkeep.ts'

/** The inbox of one schema: a handler works in a transaction of its own, which ends with its inbox row. */
export function createInboxStore(
  current: () => Connection,
  pool: InboxPool,
  handlers: HandlerTransactions,
): InboxStore {
  const upkeep = createInboxUpkeep(current)
  return {
    async open(entry) {
      const { database } = current()
      upkeep.used()
      const client = await pool.take()
      const session = createSession(client, pool, database)
      try {
        await session.ask('BEGIN', [])
        const { rows } = await session.ask(SEEN, [entry.group, entry.source, entry.id, entry.generation, markOf(entry)])
        if ((rows[0] as { seen: boolean } | undefined)?.seen === false) return openWork(session, entry, handlers)
        await session.end('ROLLBACK')
        return 'seen'
      } catch (error) {
        await session.end('ROLLBACK').catch(() => undefined)
        throw error
      }
    },
  }
}

/** Marks the transaction as ours, until it ends. */
const SEEN = `
  SELECT set_config('millrace.inbox', $5, true) AS mark, EXISTS (
    SELECT 1 FROM $S.inbox WHERE group_name = $1 AND source = $2 AND id = $3 AND generation = $4) AS seen`
/** In another transaction than the one that was marked nothing is added: the effects of the handler are not in it. */
const ADD = `
  WITH marked AS (SELECT current_setting('millrace.inbox', true) IS NOT DISTINCT FROM $6 AS same),
  added AS (
    INSERT INTO $S.inbox (group_name, source, id, generation, keep_until)
    SELECT $1, $2, $3, $4, $S.now_ms() + $5 FROM marked m WHERE m.same
    ON CONFLICT DO NOTHING RETURNING 1)
  SELECT m.same, EXISTS (SELECT 1 FROM added) AS added FROM marked m`
/** Until the commit nobody can claim the partition, so that a lease that is held now is held then. */
const HOLD_LEASE = `
  SELECT 1 FROM $S.progress q WHERE q.token = $S.live_token_1($4) AND q.group_id = (SELECT id FROM $S.groups WHERE name = $1)
    AND q.partition_id = (
      SELECT p.id FROM $S.partitions p JOIN $S.topics t ON t.id = p.topic WHERE t.name = $2 AND p.partition = $3)
  FOR SHARE OF q`

/** One connection for as long as the handler works. */
interface Session {
  readonly client: PoolClient
  ask(text: string, values: readonly unknown[]): Promise<{ readonly rows: unknown[]; readonly rowCount: number | null }>
  /** Ends the transaction and gives the connection back; only the first call does anything. */
  end(how: 'COMMIT' | 'ROLLBACK'): Promise<void>
}

function createSession(client: PoolClient, pool: InboxPool, { schema, where }: Database): Session {
  let ended: Promise<void> | undefined

  async function end(how: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    let broken = true
    try {
      await client.query(how)
      broken = false
    } catch (error) {
      throw toEngineError(error, { where, sent: how === 'COMMIT' })
    } finally {
      pool.give(client, broken)
    }
  }

  return {
    client,
    async ask(text, values) {
      try {
        return await client.query(text.replaceAll('$S', quoted(schema)), [...values])
      } catch (error) {
        throw toEngineError(error, { where, sent: false })
      }
    },
    end: (how) => (ended ??= end(how)),
  }
}

function openWork(session: Session, entry: InboxEntry, handlers: HandlerTransactions): InboxWork {
  const { group, source, id, generation, keepMs, lease } = entry
  const tx: HandlerTransaction = {
    client: session.client,
    async exec(statements) {
      handlers.of(tx)
      for (const statement of listOf(statements)) await runStatement(session, statement)
    },
  }
  handlers.add(tx, (text, values) => session.ask(text, values))

  async function finish(statements: readonly SqlStatement[]): Promise<'applied' | 'seen' | 'fenced'> {
    for (const statement of statements) await runStatement(session, statement)
    if (lease !== undefined) {
      const held = await session.ask(HOLD_LEASE, [group, lease.topic, lease.partition, lease.token])
      if (held.rows.length === 0) return 'fenced'
    }
    const { rows } = await session.ask(ADD, [group, source, id, generation, keepMs, markOf(entry)])
    const row = rows[0] as { same: boolean; added: boolean } | undefined
    if (row?.same !== true) throw endedByHandler()
    return row.added ? 'applied' : 'seen'
  }

  return {
    tx,
    async commit(statements) {
      handlers.end(tx)
      try {
        const outcome = await finish(statements)
        await session.end(outcome === 'applied' ? 'COMMIT' : 'ROLLBACK')
        return outcome
      } catch (error) {
        await session.end('ROLLBACK').catch(() => undefined)
        throw error
      }
    },
    async rollback() {
      handlers.end(tx)
      await session.end('ROLLBACK')
    },
  }
}

function markOf({ group, source, id, generation }: InboxEntry): string {
  return JSON.stringify([group, source, id, generation])
}

function endedByHandler(): MillraceError {
  return new MillraceError(
    'transaction_invalid',
    'The handler has ended the transaction of its inbox (COMMIT, ROLLBACK, or the transaction() of a query builder on tx.client), ' +
      'so that its effects cannot be applied once. Run statements on tx.client, and leave the transaction to Millrace; savepoints are fine.',
  )
}

function listOf(statements: SqlStatement | readonly SqlStatement[]): readonly SqlStatement[] {
  return Array.isArray(statements) ? (statements as readonly SqlStatement[]) : [statements as SqlStatement]
}

/** A statement of the handler: what the server says against it is the handler's failure, not the engine's. */
async function runStatement({ client }: Session, { sql, values = [] }: SqlStatement): Promise<void> {
  try {
    await client.query(sql, values.map(valueOf))
  } catch (error) {
    if (isMillraceError(error)) throw error
    const state = stateOf(error)
    const text = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    if (state === undefined || /^(?:08|53|57|58|XX|40)/.test(state)) {
      throw toEngineError(error, { where: 'the connection of a handler', sent: false })
    }
    throw new MillraceError(
      'transaction_failed',
      `A statement of the handler failed, so that none of them is applied: ${text}.`,
      { cause: error },
    )
  }
}

function valueOf(value: NonNullable<SqlStatement['values']>[number]): unknown {
  if (typeof value === 'bigint') return String(value)
  return value instanceof Uint8Array && !Buffer.isBuffer(value) ? Buffer.from(value) : value
}
