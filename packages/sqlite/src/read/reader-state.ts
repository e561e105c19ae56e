import type { Statements } from '../file/statements.ts'
import type { Settings } from '../settings.ts'

/** What it takes to read events. */
export interface EventReading {
  readonly sql: Statements
  /** The names behind the numbers in `events.type`. */
  readonly typeNames: Map<number, string>
}

/** What every reading operation works on. */
export interface ReaderState extends EventReading {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly settings: Settings
}
