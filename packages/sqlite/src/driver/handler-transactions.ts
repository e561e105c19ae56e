import { type HandlerTransaction, MillraceError, type SqlStatement } from '@millrace/core/driver'
import type { HandlerWrite } from '../write/inbox.ts'

/** What handlers with an inbox have written, until they end. */
export interface HandlerTransactions {
  open(): OpenTransaction
  /** The open transaction behind a handle; undefined when it is none of ours. Throws `transaction_invalid` when it is over. */
  of(tx: object): OpenTransaction | undefined
}

/** Keeps what one handler writes. */
export interface OpenTransaction {
  readonly tx: HandlerTransaction
  readonly writes: readonly HandlerWrite[]
  write(write: HandlerWrite): void
  /** Takes back what was written, unless the handler has ended. */
  drop(write: HandlerWrite): void
  /** From now on nothing can be written. */
  end(): void
}

export function createHandlerTransactions(): HandlerTransactions {
  const known = new WeakMap<object, OpenTransaction>()
  const over = new WeakSet<object>()

  return {
    open() {
      const writes: HandlerWrite[] = []
      const tx: HandlerTransaction = {
        client: undefined,
        async exec(statements) {
          for (const statement of listOf(statements)) transaction.write({ kind: 'statement', statement })
        },
      }
      const transaction: OpenTransaction = {
        tx,
        writes,
        write(write) {
          if (over.has(tx)) throw ended()
          writes.push(write)
        },
        drop(write) {
          if (!over.has(tx) && writes.includes(write)) writes.splice(writes.indexOf(write), 1)
        },
        end: () => void over.add(tx),
      }
      known.set(tx, transaction)
      return transaction
    },
    of(tx) {
      if (over.has(tx)) throw ended()
      return known.get(tx)
    },
  }
}

/** Statements as plain values, which can be sent to the writer's thread. Throws `transaction_failed` for what is none. */
export function listOf(statements: SqlStatement | readonly SqlStatement[]): SqlStatement[] {
  const list = Array.isArray(statements) ? (statements as readonly SqlStatement[]) : [statements as SqlStatement]
  return list.map(({ sql, values = [] }) => {
    const wrong = values.findIndex((value) => !isValue(value))
    if (typeof sql === 'string' && wrong === -1) return { sql, values: [...values] }
    const what = wrong === -1 ? 'its "sql" is no text' : `its value ${wrong + 1} is of a type that SQL does not have`
    throw new MillraceError('transaction_failed', `A statement of the handler cannot be applied: ${what}.`)
  })
}

function isValue(value: unknown): boolean {
  return (
    value === null || ['string', 'number', 'bigint', 'boolean'].includes(typeof value) || value instanceof Uint8Array
  )
}

function ended(): MillraceError {
  return new MillraceError(
    'transaction_invalid',
    'The transaction of the handler is over: write before the handler ends, and await what it starts.',
    { path: 'tx' },
  )
}
