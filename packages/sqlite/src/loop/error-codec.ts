import { type ErrorCode, isMillraceError, MillraceError } from '@millrace/core/driver'

/** An error as it travels between threads, which cannot carry classes. */
export interface EncodedError {
  readonly code: ErrorCode
  readonly message: string
  readonly retriable: boolean
  readonly facts: Readonly<Record<string, string | number | boolean>>
  readonly cause: string | undefined
}

/** Makes an error fit to travel. */
export function encodeError(error: unknown): EncodedError {
  if (!isMillraceError(error)) {
    const cause = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { code: 'internal', message: 'The SQLite driver failed unexpectedly.', retriable: false, facts: {}, cause }
  }
  const { code, message, retriable, facts, cause } = error
  const causeText = cause instanceof Error ? cause.message : undefined
  return { code, message, retriable, facts, cause: causeText }
}

/** The error again, on the other side. */
export function decodeError({ code, message, retriable, facts, cause }: EncodedError): MillraceError {
  const details = { retriable, facts }
  return new MillraceError(code, message, cause === undefined ? details : { ...details, cause: new Error(cause) })
}
