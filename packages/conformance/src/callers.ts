import type { SqlStatement } from '@millrace/core/driver'

/** The database of an engine as a caller sees it, who has a table of marks beside the engine's own tables. */
export interface CallerDatabase {
  /** Begins a transaction on a connection of the caller's own. */
  begin(): Promise<CallerTransaction>
  /** The statement that writes a mark; marks are not unique. */
  markStatement(mark: string): SqlStatement
  /** A statement that fails. */
  readonly wrongStatement: SqlStatement
  /** The marks that are committed. */
  marks(): Promise<readonly string[]>
  close(): Promise<void>
}

/** A transaction of the caller: ends by one `commit` or `rollback`. */
export interface CallerTransaction {
  /** What is passed to the engine. */
  readonly tx: object
  mark(mark: string): Promise<void>
  commit(): Promise<void>
  rollback(): Promise<void>
}
