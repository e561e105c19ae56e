import { isMillraceError, MillraceError } from '@millrace/core'

/** What the command ends with: 0 fine, 1 failed, 2 wrong use, 3 the engine cannot be used, 130 interrupted before the end. */
export type ExitCode = 0 | 1 | 2 | 3 | 130

const WRONG_USE = new Set<string>([
  'config_invalid',
  'engine_url_invalid',
  'engine_option_unknown',
  'event_name_invalid',
  'position_invalid',
  'replay_invalid',
  'request_invalid',
  'schedule_invalid',
  'subscription_invalid',
  'task_definition_invalid',
  'task_options_invalid',
])

/** The error for arguments that make no sense. */
export function wrongUse(message: string): MillraceError {
  return new MillraceError('request_invalid', message)
}

/** The exit code of a failure. */
export function exitCodeOf(error: unknown): ExitCode {
  if (!isMillraceError(error)) return 1
  if (error.code === 'aborted') return 130
  if (WRONG_USE.has(error.code)) return 2
  return error.code.startsWith('engine_') ? 3 : 1
}

/** A failure as people read it: what happened, and the reason beneath it unless the message tells it already. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return `An unexpected failure: ${String(error)}`
  if (!isMillraceError(error)) return `An unexpected failure: ${error.message}`
  return error.path === undefined || error.message.includes(error.path)
    ? error.message
    : `${error.message} (at ${error.path})`
}

/** The stable code of a failure. */
export function codeOf(error: unknown): string {
  return isMillraceError(error) ? error.code : 'internal'
}
