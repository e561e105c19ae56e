import { MillraceError, type Runtime } from '@millrace/core/driver'
import { realpathSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { noFault } from '../file/fault-point.ts'
import { toEngineError } from '../file/sqlite-error.ts'
import { createStatements } from '../file/statements.ts'
import type { Settings } from '../settings.ts'
import { createNameIds } from '../write/name-ids.ts'
import { createTaskCache } from '../write/tasks/task-cache.ts'
import { createTopicCache } from '../write/topic-cache.ts'
import type { WriterState } from '../write/writer-state.ts'

/** Works inside the open transactions of callers' own handles. */
export interface CallerTransactions {
  /**
   * Runs a change in the handle's open transaction, at once, in a savepoint: all of it or nothing. Throws
   * `transaction_invalid` for anything but a `DatabaseSync` on the file of the engine with an open transaction, `engine_*`.
   */
  run<Result>(tx: object, change: (state: WriterState) => Result): Result
}

export function createCallerTransactions(settings: Settings, runtime: Runtime): CallerTransactions {
  const states = new WeakMap<DatabaseSync, WriterState>()

  function stateOf(tx: object): WriterState {
    if (!(tx instanceof DatabaseSync)) {
      throw invalid(
        `it must be a DatabaseSync of node:sqlite on ${settings.path}: another SQLite library in this process would destroy its file locks`,
      )
    }
    if (!isOpen(tx)) {
      states.delete(tx)
      throw invalid('the handle is closed; pass one that is open, and run BEGIN IMMEDIATE on it first')
    }
    let state = states.get(tx)
    if (state === undefined) {
      requireFile(tx)
      states.set(tx, (state = newState(tx)))
    }
    if (!tx.isTransaction) throw invalid('no transaction is open; run BEGIN IMMEDIATE on the handle first')
    // The caller may have rolled back what these remember.
    state.topics.clear()
    state.types.clear()
    state.sources.clear()
    state.tasks.clear()
    return state
  }

  function requireFile(db: DatabaseSync): void {
    const location = db.location()
    if (location !== null && realpathSync(location) === realpathSync(settings.path)) return
    throw invalid(`the handle is open on ${location ?? 'a database in memory'}, the engine on ${settings.path}`)
  }

  function newState(db: DatabaseSync): WriterState {
    const sql = createStatements(db)
    return {
      sql,
      now: () => runtime.now(),
      path: settings.path,
      maxBytes: settings.maxBytes,
      fault: noFault,
      topics: createTopicCache(sql),
      types: createNameIds(sql, 'types'),
      sources: createNameIds(sql, 'sources'),
      tasks: createTaskCache(sql),
      retentionWanted: false,
    }
  }

  /** Begins the savepoint; what was prepared before the handle was closed and opened again is prepared anew. */
  function savepoint(tx: object): WriterState {
    const state = stateOf(tx)
    try {
      state.sql.prepared('SAVEPOINT millrace').run()
      return state
    } catch (error) {
      if (!isFinalized(error)) throw failure(error, settings.path)
    }
    states.delete(state.sql.db)
    const anew = stateOf(tx)
    anew.sql.prepared('SAVEPOINT millrace').run()
    return anew
  }

  return {
    run(tx, change) {
      const state = savepoint(tx)
      const { db } = state.sql
      try {
        const result = change(state)
        state.sql.prepared('RELEASE millrace').run()
        return result
      } catch (error) {
        if (db.isTransaction) db.exec('ROLLBACK TO millrace; RELEASE millrace')
        throw failure(error, settings.path)
      }
    },
  }
}

function isOpen(tx: DatabaseSync): boolean {
  try {
    return tx.isOpen
  } catch (error) {
    throw invalid('it must be the DatabaseSync itself, not something that stands for it', error)
  }
}

function isFinalized(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_INVALID_STATE'
}

/** `SQLITE_BUSY_SNAPSHOT`: no waiting helps. */
const STALE_SNAPSHOT = 517

function failure(error: unknown, path: string): MillraceError {
  if (error instanceof Error && 'errcode' in error && error.errcode === STALE_SNAPSHOT)
    return invalid('it has read what others have changed since; roll it back and begin it with BEGIN IMMEDIATE', error)
  return toEngineError(error, path)
}

function invalid(why: string, cause?: unknown): MillraceError {
  return new MillraceError('transaction_invalid', `The transaction cannot be joined: ${why}.`, {
    path: 'tx',
    ...(cause === undefined ? {} : { cause }),
  })
}
