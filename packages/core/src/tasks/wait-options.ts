import { isAbortSignal } from '../runtime/abort.ts'
import { MillraceError } from '../runtime/error.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'
import type { ResultOptions } from './task-handle.ts'

const OF_RESULT: ReadonlySet<string> = new Set<keyof ResultOptions>(['timeout', 'signal'])
const OF_FOLLOW: ReadonlySet<string> = new Set(['signal'])

/** Throws `task_options_invalid` with the path. */
export function checkResultOptions(options: unknown): asserts options is ResultOptions {
  checkNames(options, OF_RESULT, 'the result')
  const { timeout, signal } = options
  checkSignal(signal, 'the result')
  if (timeout !== undefined && !(typeof timeout === 'number' && timeout >= 0)) throw wrongTimeout(timeout)
}

/** Throws `task_options_invalid` with the path. */
export function checkFollowOptions(options: unknown): asserts options is { readonly signal?: AbortSignal } {
  checkNames(options, OF_FOLLOW, 'follow')
  checkSignal(options['signal'], 'follow')
}

function checkNames(
  options: unknown,
  known: ReadonlySet<string>,
  where: string,
): asserts options is Readonly<Record<string, unknown>> {
  const wrong = wrongOptions(options, known)
  if (wrong !== undefined) throw invalid(wrong.name ?? 'options', `of ${where} ${wrong.what}`)
}

function checkSignal(signal: unknown, where: string): void {
  if (signal !== undefined && !isAbortSignal(signal)) throw invalid('signal', `of ${where} must be an AbortSignal`)
}

function wrongTimeout(timeout: unknown): MillraceError {
  const shown = typeof timeout === 'number' ? String(timeout) : `of type ${timeout === null ? 'null' : typeof timeout}`
  return new MillraceError(
    'task_options_invalid',
    `The timeout of the result is ${shown}; it must be milliseconds, or 0 for no limit.`,
    { path: 'timeout' },
  )
}

function invalid(path: string, what: string): MillraceError {
  return new MillraceError('task_options_invalid', `The option "${path}" ${what}.`, { path })
}
