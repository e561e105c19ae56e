import type { Context } from './context.ts'

/** What a property needs beyond a plain engine; without it the property is skipped, visibly. */
export type Need =
  /** `restart`: the engine's data outlives what was opened. */
  | 'restart'
  /** `secondProcess`: the engine can be opened twice at once. */
  | 'secondProcess'
  /** `callers`: callers share the transactions of the engine's database. */
  | 'callers'
  /** `tasks`: the engine keeps tasks. */
  | 'tasks'
  /** Capabilities that are not `none`. */
  | 'dedupe'
  | 'fencing'
  | 'lag'
  | 'order'
  | 'read'
  | 'size'

/** One thing that a driver must do: a plain function that throws when it does not. */
export interface Property {
  /** Unique; begins with the number of its row in the list of conformance properties: `20 order within a key`. */
  readonly id: string
  readonly needs?: readonly Need[]
  run(context: Context): Promise<void>
}

/** The number of the row that a property belongs to. */
export function rowOf(property: Property): number {
  return Number.parseInt(property.id, 10)
}
