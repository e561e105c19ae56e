import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'

/** A connection with its prepared statements, each prepared once by its text. */
export interface Statements {
  readonly db: DatabaseSync
  /** Runs a statement and returns how many rows it changed. */
  run(text: string, ...values: SQLInputValue[]): number
  /** The first row as an object of its columns, without a prototype: never hand it out as it is. */
  get<Row>(text: string, ...values: SQLInputValue[]): Row | undefined
  /** All rows as such objects. */
  all<Row>(text: string, ...values: SQLInputValue[]): Row[]
  /** All rows as arrays in the order of the columns: cheaper than objects. */
  arrays<Row extends readonly unknown[]>(text: string, ...values: SQLInputValue[]): Row[]
  /** The prepared statement itself, for the hot paths. */
  prepared(text: string): StatementSync
}

/** Wraps a connection. */
export function createStatements(db: DatabaseSync): Statements {
  const byText = new Map<string, StatementSync>()
  const arraysByText = new Map<string, StatementSync>()
  const prepared = (text: string): StatementSync => {
    let statement = byText.get(text)
    if (statement === undefined) {
      statement = db.prepare(text)
      // A caller's own handle may have other defaults.
      statement.setReadBigInts(false)
      statement.setReturnArrays(false)
      byText.set(text, statement)
    }
    return statement
  }
  return {
    db,
    run: (text, ...values) => Number(prepared(text).run(...values).changes),
    get: <Row>(text: string, ...values: SQLInputValue[]) => prepared(text).get(...values) as Row | undefined,
    all: <Row>(text: string, ...values: SQLInputValue[]) => prepared(text).all(...values) as Row[],
    arrays<Row extends readonly unknown[]>(text: string, ...values: SQLInputValue[]) {
      let statement = arraysByText.get(text)
      if (statement === undefined) {
        statement = db.prepare(text)
        statement.setReadBigInts(false)
        statement.setReturnArrays(true)
        arraysByText.set(text, statement)
      }
      return statement.all(...values) as unknown as Row[]
    },
    prepared,
  }
}
