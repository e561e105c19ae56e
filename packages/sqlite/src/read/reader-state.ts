import type { Statements } from '../file/statements.ts'
import type { Settings } from '../settings.ts'

/** What every reading operation works on. */
export interface ReaderState {
  readonly sql: Statements
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly settings: Settings
  /** The names behind the numbers in `events.type`. */
  readonly typeNames: Map<number, string>
}
