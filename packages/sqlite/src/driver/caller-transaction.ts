import { isMillraceError, MillraceError, type Runtime } from '@millrace/core/driver'
import { realpathSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { noFault } from '../file/fault-point.ts'
import { toEngineError } from '../file/sqlite-error.ts'
import { createStatements } from '../file/statements.ts'
import type { Settings } from '../settings.ts'
import { createNameIds } from '../write/name-ids.ts'
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
      retentionWanted: false,
    }
  }

  return {
    run(tx, change) {
      const state = stateOf(tx)
      const { db } = state.sql
      try {
        state.sql.prepared('SAVEPOINT millrace').run()
        const result = change(state)
        state.sql.prepared('RELEASE millrace').run()
        return result
      } catch (error) {
        if (db.isTransaction) db.exec('ROLLBACK TO millrace; RELEASE millrace')
        throw isMillraceError(error) ? error : toEngineError(error, settings.path)
      }
    },
  }
}

function invalid(why: string): MillraceError {
  return new MillraceError('transaction_invalid', `The transaction cannot be joined: ${why}.`, { path: 'tx' })
}
