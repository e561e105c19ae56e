import { isMillraceError, type MillraceError } from '@millrace/core/contract'

/** The Millrace error that a call throws; anything else, and no error, fails the test. */
export function failure(run: () => unknown): MillraceError {
  try {
    run()
  } catch (error) {
    if (isMillraceError(error)) return error
    throw error
  }
  throw new Error('Nothing was thrown.')
}
