import { toEngineError } from '../file/sqlite-error.ts'
import type { Settings } from '../settings.ts'
import { WRITE_OPERATIONS, type WriteName } from '../write/write-operations.ts'
import type { WriterState } from '../write/writer-state.ts'
import type { Call, Reply } from './host.ts'
import type { LogRoom } from './log-room.ts'
import type { StandingFetches } from './standing-fetches.ts'
import type { Watchdog } from './watchdog.ts'

/** After one wait in vain, how long the next ones are, in milliseconds, until one succeeds: the queue must not hang. */
const IMPATIENT_MS = 100

/**
 * Calls that answer nobody outside: what a power cut takes of them is only done again (events are delivered again, leases are
 * taken again, tasks run again), since the file keeps a prefix of its transactions. A transaction of these alone is not synced.
 */
const REPEATABLE: ReadonlySet<string> = new Set([
  'settle',
  'mark',
  'settleLane',
  'beat',
  'claim',
  'giveBack',
  'addMember',
  'exchange',
  'reclaim',
  'sweepTasks',
])

/** Runs calls together in one transaction. */
export interface Transactions {
  /**
   * One reply per call, in order, and then those to the fetches that stood and are served. Never throws: a failure is the
   * reply of whom it concerns.
   */
  run(calls: readonly Call[]): Reply[]
}

export function createTransactions(
  state: WriterState,
  settings: Settings,
  {
    watchdog,
    standing,
    room,
  }: { readonly watchdog: Watchdog; readonly standing: StandingFetches; readonly room: LogRoom },
): Transactions {
  const { db } = state.sql
  let impatient = false
  let synced = true

  /** Sets whether the next transaction is synced before it is answered. */
  function sync(wanted: boolean): void {
    if (settings.synchronous !== 'full' || wanted === synced) return
    db.exec(`PRAGMA synchronous = ${wanted ? 'FULL' : 'NORMAL'}`)
    synced = wanted
  }

  function begin(calls: readonly Call[]): void {
    watchdog.beforeCommit()
    sync(!calls.every(({ name }) => REPEATABLE.has(name)))
    try {
      state.sql.prepared('BEGIN IMMEDIATE').run()
      if (impatient) db.exec(`PRAGMA busy_timeout = ${settings.busyTimeoutMs}`)
      impatient = false
    } catch (error) {
      if (!impatient) db.exec(`PRAGMA busy_timeout = ${Math.min(IMPATIENT_MS, settings.busyTimeoutMs)}`)
      impatient = true
      throw error
    }
    room.make()
    if (state.topics.refresh()) state.tasks.clear()
  }

  function forget(): void {
    state.topics.clear()
    state.types.clear()
    state.sources.clear()
    state.tasks.clear()
  }

  function rollBack(): void {
    forget()
    if (db.isTransaction) db.exec('ROLLBACK')
  }

  function operate({ name, input }: Call): unknown {
    const operation = WRITE_OPERATIONS[name as WriteName] as (state: WriterState, input: unknown) => unknown
    return operation(state, input)
  }

  /**
   * All calls in one transaction; throws when the transaction as a whole has failed. SQLite copies each page that a savepoint may
   * have to bring back, which costs as much as the log itself: there are none until a call fails.
   */
  function runTogether(calls: readonly Call[]): Reply[] {
    try {
      return calls.map((call) => ({ id: call.id, value: operate(call) }))
    } catch (error) {
      if (!db.isTransaction) throw error
      rollBack()
      begin(calls)
      return calls.map(runApart)
    }
  }

  /** A call whose failure leaves the others alone. */
  function runApart(call: Call): Reply {
    state.sql.prepared('SAVEPOINT call').run()
    try {
      const value = operate(call)
      state.sql.prepared('RELEASE call').run()
      return { id: call.id, value }
    } catch (error) {
      forget()
      if (!db.isTransaction) throw error
      db.exec('ROLLBACK TO call; RELEASE call')
      return { id: call.id, error: toEngineError(error, settings.path) }
    }
  }

  return {
    run(calls) {
      const fail = (error: unknown, unknown: boolean): Reply[] => {
        const encoded = toEngineError(error, settings.path)
        return calls.map(({ id }) => ({ id, error: encoded, unknown }))
      }
      let replies: Reply[]
      let served: Reply[]
      try {
        begin(calls)
        replies = runTogether(calls)
        served = standing.serve()
        state.fault('before-commit')
      } catch (error) {
        rollBack()
        return fail(error, false)
      }
      try {
        state.sql.prepared('COMMIT').run()
      } catch (error) {
        rollBack()
        return fail(error, true)
      }
      try {
        watchdog.afterCommit()
      } catch (error) {
        return fail(error, true)
      }
      standing.served(served)
      return [...replies, ...served]
    },
  }
}
