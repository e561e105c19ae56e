import { logAndGroups } from './001-log-and-groups.ts'
import { outboxAndInbox } from './002-outbox-and-inbox.ts'
import { tasks } from './003-tasks.ts'

/** Every change of the schema, in order. Append only: the number of an entry is the schema version that it makes. */
export const MIGRATIONS: readonly string[] = [logAndGroups, outboxAndInbox, tasks]
