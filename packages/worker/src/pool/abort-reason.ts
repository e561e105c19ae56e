import { MillraceError } from '@millrace/core'

/** Why a signal has fired, as an error. */
export function abortReason({ reason }: AbortSignal): Error {
  if (reason instanceof Error) return reason
  return new MillraceError('aborted', 'The operation was aborted by its signal.', { cause: reason })
}
