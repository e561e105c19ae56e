import { logAndGroups } from './001-log-and-groups.ts'
import { logFunctions } from './002-log-functions.ts'
import { upkeepFunctions } from './003-upkeep-functions.ts'
import { outboxAndInbox } from './004-outbox-and-inbox.ts'
import { tasks } from './005-tasks.ts'
import { taskMoves } from './006-task-moves.ts'
import { taskFunctions } from './007-task-functions.ts'
import { taskSettling } from './008-task-settling.ts'
import { taskExchange } from './009-task-exchange.ts'
import { taskChanges } from './010-task-changes.ts'
import { schedulesAndQueues } from './011-schedules-and-queues.ts'
import { addTask } from './012-add-task.ts'
import { taskUpkeep } from './013-task-upkeep.ts'
import { laneFunctions } from './014-lane-functions.ts'
import { tokens } from './015-tokens.ts'
import { taskAdmission } from './016-task-admission.ts'
import { queueStatuses } from './017-queue-statuses.ts'
import { publishOne } from './018-publish-one.ts'
import { publishOnePlanned } from './019-publish-one-planned.ts'

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
  { sql: tasks },
  { sql: taskMoves },
  { sql: taskFunctions },
  { sql: taskSettling },
  { sql: taskExchange },
  { sql: taskChanges },
  { sql: schedulesAndQueues },
  { sql: addTask },
  { sql: taskUpkeep },
  { sql: laneFunctions },
  { sql: tokens },
  { sql: taskAdmission },
  { sql: queueStatuses },
  { sql: publishOne },
  { sql: publishOnePlanned },
]
