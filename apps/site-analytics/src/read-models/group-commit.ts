import { MillraceError, type Runtime } from '@millrace/core'
import type { Database } from './database.ts'

/** Runs pieces of work in the same transaction as others that came at the same time. */
export interface GroupCommit {
  /** Resolves when the transaction is on disk; throws what the work threw, and then nothing of the work is kept. */
  run<Result>(work: () => Result): Promise<Result>
}

interface Waiting {
  readonly work: () => unknown
  readonly done: (result: unknown) => void
  readonly failed: (error: unknown) => void
}

/** One sync to disk for a whole turn's handlers instead of one for each. */
export function createGroupCommit({ connection }: Pick<Database, 'connection'>, runtime: Runtime): GroupCommit {
  let waiting: Waiting[] = []

  function flush(): void {
    const batch = waiting
    waiting = []
    try {
      const results = transaction(connection, () => batch.map(({ work }) => work()))
      for (const [index, { done }] of batch.entries()) done(results[index])
    } catch {
      // One of them spoils the transaction for all, so each gets its own.
      for (const entry of batch) alone(connection, entry)
    }
  }

  return {
    run: <Result>(work: () => Result) =>
      new Promise<Result>((resolve, reject) => {
        if (!connection.isOpen) {
          reject(new MillraceError('closed', 'The read models are closed.'))
          return
        }
        if (waiting.length === 0) runtime.defer(flush)
        waiting.push({ work, done: (result) => resolve(result as Result), failed: reject })
      }),
  }
}

function alone(connection: Database['connection'], { work, done, failed }: Waiting): void {
  try {
    done(transaction(connection, work))
  } catch (error) {
    failed(error)
  }
}

function transaction<Result>(connection: Database['connection'], work: () => Result): Result {
  connection.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    connection.exec('COMMIT')
    return result
  } catch (error) {
    if (connection.isTransaction) connection.exec('ROLLBACK')
    throw error
  }
}
