import { MillraceError } from '../runtime/error.ts'

/** Throws `request_invalid` unless it is a text: no engine is asked for what cannot be an id. */
export function checkId(id: unknown, path: 'id' | 'ids' = 'id'): void {
  if (typeof id === 'string') return
  const shown = id === null ? 'null' : `of type ${typeof id}`
  throw new MillraceError('request_invalid', `The id of a task is a text; this one is ${shown}.`, { path })
}

/** The error of an id under which nothing is kept. */
export function unknownTask(id: string): MillraceError {
  const shown = id.length > MOST_SHOWN ? `${id.slice(0, MOST_SHOWN)}…` : id
  return new MillraceError(
    'task_unknown',
    `There is no task ${JSON.stringify(shown)}: it was never added, or it has ended and is not kept any more.`,
    { facts: { id: shown } },
  )
}

/** No id is longer. */
const MOST_SHOWN = 256
