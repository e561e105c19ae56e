import {
  type InboxEntry,
  isMillraceError,
  MillraceError,
  type OutboxRecord,
  type SqlStatement,
  type TopicOptions,
} from '@millrace/core/driver'
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { toEngineError } from '../file/sqlite-error.ts'
import { appendRecords } from './append.ts'
import { groupPlaceOf, holdsToken } from './fence.ts'
import { addToOutbox } from './outbox.ts'
import { enqueue } from './tasks/enqueue.ts'
import type { TaskBatch } from './tasks/task-batch.ts'
import type { WriterState } from './writer-state.ts'

/** What a handler wrote, in its order. */
export type HandlerWrite =
  | { readonly kind: 'statement'; readonly statement: SqlStatement }
  | { readonly kind: 'add'; readonly records: readonly OutboxRecord[] }
  | { readonly kind: 'enqueue'; readonly batch: TaskBatch }
  | {
      readonly kind: 'append'
      readonly records: readonly OutboxRecord[]
      readonly topics: readonly (readonly [topic: string, options: TopicOptions])[]
    }

const INSERT = `
  INSERT INTO inbox (group_name, source, id, generation, keep_until) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
const CHANGES_DATA = /^\s*(?:insert|update|delete|replace|with)\b/i
const ENDS_ALL = /\bor\s+rollback\b/i
const MOST_PREPARED = 200
/** SQLite's result codes that say that the statement is at fault, and not the engine. */
const FAULTS_OF_STATEMENTS = new Set([1, 18, 19, 20, 25])

/** Applies what a handler wrote together with its inbox row, under the lease. Throws `transaction_failed`. */
export function applyInbox(
  state: WriterState,
  { entry, writes }: { readonly entry: InboxEntry; readonly writes: readonly HandlerWrite[] },
): 'applied' | 'seen' | 'fenced' {
  const { group, source, id, generation, keepMs, lease } = entry
  if (lease !== undefined && !holdsToken(state, groupPlaceOf(state, { ...lease, group }), lease.token)) return 'fenced'
  if (state.sql.run(INSERT, group, source, id, generation, state.now() + keepMs) === 0) return 'seen'
  for (const write of writes) {
    if (write.kind === 'statement') runStatement(state, write.statement)
    else if (write.kind === 'add') addToOutbox(state, write.records)
    else if (write.kind === 'enqueue') enqueue(state, write.batch, true)
    else appendRecords(state, write.records, new Map(write.topics))
  }
  return 'applied'
}

function runStatement(state: WriterState, { sql, values = [] }: SqlStatement): void {
  try {
    preparedOf(state.sql.db, sql).run(...values.map(valueOf))
  } catch (error) {
    if (isMillraceError(error)) throw error
    const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined
    if (code !== undefined && !FAULTS_OF_STATEMENTS.has(code)) throw toEngineError(error, state.path)
    throw failed(error instanceof Error ? error.message : String(error), error)
  }
  if (!state.sql.db.isTransaction) throw failed('it ended the transaction', undefined)
}

function valueOf(value: NonNullable<SqlStatement['values']>[number]): SQLInputValue {
  return typeof value === 'boolean' ? Number(value) : value
}

const prepared = new WeakMap<DatabaseSync, Map<string, StatementSync>>()

/** Statements of users, prepared once, up to a number; a text of two statements would silently lose the second. */
function preparedOf(db: DatabaseSync, sql: string): StatementSync {
  let statements = prepared.get(db)
  if (statements === undefined) prepared.set(db, (statements = new Map()))
  let statement = statements.get(sql)
  if (statement === undefined) {
    if (!CHANGES_DATA.test(sql) || ENDS_ALL.test(sql)) {
      throw failed('only INSERT, UPDATE, DELETE, REPLACE and WITH are allowed, and no OR ROLLBACK', undefined)
    }
    statement = db.prepare(sql)
    if (sql.slice(statement.sourceSQL.length).replaceAll(/[\s;]/g, '') !== '') {
      throw failed('its text holds more than one statement', undefined)
    }
    if (statements.size >= MOST_PREPARED) statements.clear()
    statements.set(sql, statement)
  }
  return statement
}

function failed(why: string, cause: unknown): MillraceError {
  return new MillraceError(
    'transaction_failed',
    `A statement of the handler failed, so that none of them is applied: ${why}.`,
    cause === undefined ? {} : { cause },
  )
}
