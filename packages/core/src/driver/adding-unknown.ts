import { MillraceError } from '../runtime/error.ts'

/** The error of a store that may have added all tasks of a call or none. Whoever called it sends the same again. */
export function addingUnknown(cause: unknown): MillraceError {
  const why = cause instanceof Error ? cause.message : String(cause)
  const message = `Whether the tasks were added is not known: ${why} Add them again with the same ids.`
  const facts = cause instanceof MillraceError ? cause.facts : undefined
  return new MillraceError('publish_unknown', message, {
    retriable: true,
    cause,
    ...(facts === undefined ? {} : { facts }),
  })
}
