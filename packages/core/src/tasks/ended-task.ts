import type { TaskRow } from '../driver/task.ts'
import { ERROR_CODES, type ErrorCode } from '../runtime/error-codes.ts'
import { MillraceError } from '../runtime/error.ts'

/** Whether a task has come to its end. */
export function hasEnded({ state }: Pick<TaskRow, 'state'>): boolean {
  return state === 'done' || state === 'dead' || state === 'cancelled' || state === 'expired'
}

/** The output of a task that has ended, or its end as an error. */
export function resultOf(row: Pick<TaskRow, 'id' | 'name' | 'state' | 'output' | 'error' | 'attempts'>): unknown {
  if (row.state === 'done') return row.output === undefined ? undefined : (JSON.parse(row.output) as unknown)
  throw endError(row)
}

function endError({ id, name, state, error, attempts }: Parameters<typeof resultOf>[0]): MillraceError {
  const facts = { id, name, attempts }
  if (state === 'cancelled')
    return new MillraceError('task_cancelled', `The task "${id}" (${name}) was cancelled.`, { facts })
  if (state === 'expired')
    return new MillraceError('task_expired', `The task "${id}" (${name}) was not started before it expired.`, { facts })
  const code = error !== undefined && isTaskCode(error.code) ? error.code : 'task_failed'
  return new MillraceError(code, `The task "${id}" (${name}) is dead: ${error?.message ?? 'it failed.'}`, {
    facts: error === undefined ? facts : { ...facts, fingerprint: error.fingerprint },
  })
}

function isTaskCode(code: string): code is ErrorCode {
  return code.startsWith('task_') && Object.hasOwn(ERROR_CODES, code)
}
