import { MillraceError } from './error.ts'

/** What an action is done to: ids, all that match a filter, or `all` there is. */
export type Selection<Filter extends object> = readonly string[] | Filter | 'all'

/** The ids of a selection; undefined when it is none of ids. */
export function idsOf(what: Selection<object>): readonly string[] | undefined {
  return Array.isArray(what) ? (what as readonly string[]) : undefined
}

/**
 * The filter of a selection that is none of ids. Throws `request_invalid` for one without conditions, such as one whose conditions all turned out to be
 * undefined: everything must be said in a word.
 */
export function filterOf<Filter extends object>(what: Selection<Filter>): Filter {
  if (what === 'all') return {} as Filter
  const isEmpty = typeof what === 'object' && what !== null && Object.values(what).every((value) => value === undefined)
  if (!isEmpty) return what as Filter
  throw new MillraceError(
    'request_invalid',
    "The filter is empty: it would take everything there is. Give conditions, or 'all' in its place.",
    { path: 'filter' },
  )
}
