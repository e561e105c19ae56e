import { assertEventType, assertGroupName } from '../contract/event-name.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'

/** Throws `event_name_invalid` unless the name of a task is made as an event type is. */
export function assertTaskName(name: string): void {
  saidOf('task', 'event type', () => assertEventType(name))
}

/** Throws `event_name_invalid` unless the name is made as that of a group is. */
export function assertQueueName(name: string): void {
  saidOf('queue', 'group', () => assertGroupName(name))
}

/** Throws `event_name_invalid` unless the name is made as that of a group is. */
export function assertScheduleName(name: string): void {
  saidOf('schedule', 'group', () => assertGroupName(name))
}

/** The same rule, with the word for what the caller has named. */
function saidOf(what: string, rule: string, check: () => void): void {
  try {
    check()
  } catch (error) {
    if (!isMillraceError(error)) throw error
    const message = error.message.replace(`The ${rule}`, `The name of the ${what}`)
    throw new MillraceError('event_name_invalid', message, { path: 'name', facts: error.facts })
  }
}
