import { ERROR_CODES, type ErrorCode } from './error-codes.ts'

/** What an error carries besides its message. */
export interface ErrorDetails {
  /** The failure beneath this one. */
  readonly cause?: unknown
  /** Where in the input the fault lies, as a JSON path such as `data.items[3].price`. */
  readonly path?: string
  /** Whether the same call may succeed later. */
  readonly retriable?: boolean
  /** Facts for programs: names, limits, counts. Never a payload, never a secret. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>
}

/**
 * The one error of Millrace. The `message` says what failed, with which value, and what to do; the `code` is stable.
 *
 * @example
 * catch (error) { if (isMillraceError(error, 'topic_full')) await slowDown() }
 */
export class MillraceError extends Error {
  override readonly name = 'MillraceError'
  readonly code: ErrorCode
  readonly path: string | undefined
  readonly retriable: boolean
  readonly facts: Readonly<Record<string, string | number | boolean>>

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.path = details.path
    this.retriable = details.retriable ?? false
    this.facts = details.facts ?? {}
  }

  /** The title of the error in problem details. */
  get title(): string {
    return ERROR_CODES[this.code]
  }
}

/** Whether a value is a Millrace error, of one code if given; works across copies of the package. */
export function isMillraceError(value: unknown, code?: ErrorCode): value is MillraceError {
  return (
    value instanceof Error &&
    value.name === 'MillraceError' &&
    'code' in value &&
    (code === undefined || value.code === code)
  )
}
