import { invalid, type RunInTransaction } from '../outbox/transaction-handle.ts'

/** The open transactions of handlers, so that a publish can join them by the handle that the handler was given. */
export interface HandlerTransactions {
  add(tx: object, run: RunInTransaction): void
  /** The transaction is over. */
  end(tx: object): void
  /** How to run a statement in it; undefined when the handle is none of a handler. Throws `transaction_invalid` when it is over. */
  of(tx: object): RunInTransaction | undefined
}

export function createHandlerTransactions(): HandlerTransactions {
  const open = new WeakMap<object, RunInTransaction | 'over'>()
  return {
    add: (tx, run) => void open.set(tx, run),
    end: (tx) => void open.set(tx, 'over'),
    of(tx) {
      const run = open.get(tx)
      if (run !== 'over') return run
      throw invalid('the handler is over: write before it ends, and await what it starts')
    },
  }
}
