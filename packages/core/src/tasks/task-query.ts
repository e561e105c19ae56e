import { type TaskQuery } from '../driver/task-admin.ts'
import { TASK_STATES } from '../driver/task.ts'
import { MillraceError } from '../runtime/error.ts'
import type { TaskFilter } from './task-operations.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'

/** Tasks of one page at most. */
export const PAGE = 1_000
const DEFAULT_PAGE = 100
const TEXTS = ['queue', 'name', 'key', 'tenant', 'parent', 'fingerprint', 'after'] as const
const CONDITIONS: ReadonlySet<string> = new Set([...TEXTS, 'states', 'since', 'until', 'limit'])

/** A filter as a store takes it. Throws `request_invalid` with the path of what cannot be meant. */
export function queryOf(filter: TaskFilter, limit?: number): TaskQuery {
  checkFilter(filter)
  const { since, until, limit: wanted, ...rest } = filter
  const defined = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  return {
    ...defined,
    ...(since === undefined ? {} : { since: since.getTime() }),
    ...(until === undefined ? {} : { until: until.getTime() }),
    limit: limit ?? wanted ?? DEFAULT_PAGE,
  }
}

/** Throws `request_invalid`. */
export function checkFilter(filter: TaskFilter): void {
  if (typeof filter !== 'object' || filter === null)
    throw invalid('filter', 'Say which tasks: a list of ids, or a filter.')
  // A condition that is misspelt would be none: an action would take everything.
  const wrong = wrongOptions(filter, CONDITIONS)
  if (wrong !== undefined)
    throw invalid(wrong.name ?? 'filter', `The condition "${wrong.name ?? 'filter'}" ${wrong.what}.`)
  const { limit, since, until, states } = filter
  for (const path of TEXTS) {
    if (filter[path] !== undefined && typeof filter[path] !== 'string')
      throw invalid(path, `The condition "${path}" must be a text.`)
  }
  if (states !== undefined && !Array.isArray(states)) throw invalid('states', 'The states must be a list.')
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= PAGE))
    throw invalid('limit', `The limit is ${String(limit)}; it must be a whole number from 1 to ${PAGE}.`)
  for (const [path, date] of Object.entries({ since, until })) {
    if (date !== undefined && !(date instanceof Date && !Number.isNaN(date.getTime())))
      throw invalid(path, `The time "${path}" does not exist.`)
  }
  const strange = states?.find((state) => !TASK_STATES.includes(state))
  if (strange !== undefined)
    throw invalid(
      'states',
      `No task has the state "${String(strange).slice(0, 40)}"; states are ${TASK_STATES.join(', ')}.`,
    )
}

function invalid(path: string, message: string): MillraceError {
  return new MillraceError('request_invalid', message, { path })
}
