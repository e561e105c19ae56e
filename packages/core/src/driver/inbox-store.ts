/**
 * Makes the effects of a handler happen once: they are applied in one transaction with a row for (group, source, id,
 * generation), which exists once.
 */
export interface InboxStore {
  /**
   * Begins the work on one event. `seen`: its effects are in the database already. `fenced`: the lease has moved on.
   * Throws `engine_*`.
   */
  open(entry: InboxEntry): Promise<InboxWork | 'seen' | 'fenced'>
}

/** The event whose effects are to happen once. */
export interface InboxEntry {
  readonly group: string
  readonly source: string
  readonly id: string
  /** 0, or the generation of a replay, which applies the effects anew. */
  readonly generation: number
  /** Milliseconds after which the row may be dropped: longer than anybody could deliver the event again. */
  readonly keepMs: number
  /** The lease under which the work is done, when it is kept in this database; the commit is refused when it has moved on. */
  readonly lease: { readonly topic: string; readonly partition: number; readonly token: number } | undefined
}

/** The work on one event: ends by one `commit` or `rollback`. */
export interface InboxWork {
  readonly tx: HandlerTransaction
  /**
   * Applies the statements after those of `tx.exec`, together with the inbox row, under the lease: all or nothing.
   * `seen`: somebody else was faster. Throws `transaction_failed` for a statement that fails, `engine_*`; then nothing is applied,
   * unless the error is of the engine, and the next `open` tells.
   */
  commit(statements: readonly SqlStatement[]): Promise<'applied' | 'seen' | 'fenced'>
  /** Idempotent; does nothing after a commit. */
  rollback(): Promise<void>
}

/** What a handler with an inbox writes through; `publish(…, { tx })` takes it too. */
export interface HandlerTransaction {
  /**
   * Writes. PostgreSQL runs the statements now; SQLite keeps them until the handler has ended and runs them together, so that no
   * handler ever holds the file's writer. Throws `transaction_invalid` when the handler is over, `transaction_failed`.
   */
  exec(statements: SqlStatement | readonly SqlStatement[]): Promise<void>
  /** The client of the open transaction, where the engine has one for it (PostgreSQL: that of `pg`). */
  readonly client: unknown
}

/** One SQL statement with its values, in the placeholders of the engine (`?` in SQLite, `$1` in PostgreSQL). */
export interface SqlStatement {
  readonly sql: string
  readonly values?: readonly SqlValue[]
}

export type SqlValue = string | number | bigint | boolean | null | Uint8Array
