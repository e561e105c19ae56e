import { logAndGroups } from './001-log-and-groups.ts'
import { logFunctions } from './002-log-functions.ts'
import { upkeepFunctions } from './003-upkeep-functions.ts'
import { outboxAndInbox } from './004-outbox-and-inbox.ts'

/** One change of the schema; `$S` in its text stands for the quoted name of the schema. */
export interface Migration {
  readonly sql: string
  /**
   * Whether workers of the version before cannot go on beside it. Additive changes (a table, a column with a default, a new
   * function) leave it out, and that is how every change should be made.
   */
  readonly breaking?: boolean
}

/** Every change of the schema, in order. Append only: the number of an entry is the schema version that it makes. */
export const MIGRATIONS: readonly Migration[] = [
  { sql: logAndGroups },
  { sql: logFunctions },
  { sql: upkeepFunctions },
  { sql: outboxAndInbox },
]
