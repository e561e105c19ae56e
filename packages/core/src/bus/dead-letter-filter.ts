import { MillraceError } from '../runtime/error.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'

/** Which dead letters. Several conditions must all hold. */
export interface DeadLetterFilter {
  readonly group?: string
  readonly fingerprint?: string
  readonly topic?: string
  readonly type?: string
  readonly eventId?: string
  /** Bounds of the last failure. */
  readonly since?: Date
  readonly until?: Date
  /** The id of the last one seen. */
  readonly after?: string
  /** Default 100, at most 1,000. */
  readonly limit?: number
}

/** Dead letters of one page at most. */
export const MOST_LETTERS = 1_000
const CONDITIONS: ReadonlySet<string> = new Set<keyof DeadLetterFilter>([
  ...(['group', 'fingerprint', 'topic', 'type', 'eventId', 'since', 'until', 'after', 'limit'] as const),
])

/** Throws `request_invalid` with the path of what cannot be meant. */
export function checkDeadLetterFilter(filter: DeadLetterFilter): void {
  if (typeof filter !== 'object' || filter === null) {
    throw new MillraceError('request_invalid', 'Say which dead letters: a list of ids, or a filter.', {
      path: 'filter',
    })
  }
  // A condition that is misspelt would be none: an action would take everything.
  const wrong = wrongOptions(filter, CONDITIONS)
  if (wrong !== undefined) {
    const path = wrong.name ?? 'filter'
    throw new MillraceError('request_invalid', `The condition "${path}" ${wrong.what}.`, { path })
  }
  const { limit, since, until } = filter
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= MOST_LETTERS)) {
    throw new MillraceError(
      'request_invalid',
      `The limit is ${String(limit)}; it must be a whole number from 1 to ${MOST_LETTERS}.`,
      { path: 'limit' },
    )
  }
  for (const [path, date] of Object.entries({ since, until })) {
    if (date !== undefined && !(date instanceof Date && !Number.isNaN(date.getTime()))) {
      throw new MillraceError('request_invalid', `The time "${path}" does not exist.`, { path })
    }
  }
}
