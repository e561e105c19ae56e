import { backoffDelay, DEFAULT_BACKOFF, type Backoff } from '../runtime/backoff.ts'
import { isMillraceError } from '../runtime/error.ts'
import { answerOf } from '../runtime/user-rule.ts'
import type { HandlerResult } from './handler.ts'
import type { RetryPolicy } from './subscription.ts'

/** What an attempt came to. */
export type Attempt =
  | { readonly ok: true; readonly result: HandlerResult }
  | { readonly ok: false; readonly error: unknown }
  | { readonly ok: 'expired' }

/** What happens to the event now. */
export type Verdict =
  | { readonly kind: 'done' | 'expired' }
  | { readonly kind: 'retry'; readonly delayMs: number }
  | {
      readonly kind: 'dead-letter'
      readonly code: string
      readonly message: string
      readonly stack: string | undefined
    }

/** A retry policy with nothing left open. */
export interface ResolvedRetry {
  readonly attempts: number
  readonly backoff: Backoff
  readonly retryIf: (error: unknown, attempt: number) => boolean
}

const MESSAGE_CHARACTERS = 4_096
const STACK_CHARACTERS = 16_384
const MOST_CAUSES = 3
/** Failures that the same bytes will meet again. */
const HOPELESS = new Set(['event_malformed', 'event_unknown_version', 'event_upcast_failed', 'event_schema_violation'])

export function resolveRetry(policy: RetryPolicy = {}): ResolvedRetry {
  return {
    attempts: policy.attempts ?? 5,
    backoff: { ...DEFAULT_BACKOFF, ...policy.backoff },
    retryIf: policy.retryIf ?? (() => true),
  }
}

/** Judges attempt number `attempt` (1 is the first). Pure: `random` in [0, 1) is handed in. */
export function judge(attempt: Attempt, attemptNumber: number, policy: ResolvedRetry, random: number): Verdict {
  if (attempt.ok === 'expired') return { kind: 'expired' }
  if (attempt.ok) {
    const result = attempt.result
    if (result === undefined || result === null) return { kind: 'done' }
    if (result.outcome === 'reject') {
      return {
        kind: 'dead-letter',
        code: 'handler_rejected',
        message: clip(textOf(result.reason), MESSAGE_CHARACTERS),
        stack: undefined,
      }
    }
    if (result.outcome !== 'retry') return { kind: 'done' }
    if (attemptNumber >= policy.attempts) {
      const message = `The handler asked for a retry on each of ${policy.attempts} attempts.`
      return { kind: 'dead-letter', code: 'handler_failed', message, stack: undefined }
    }
    return { kind: 'retry', delayMs: Number.isFinite(result.afterMs) ? Math.max(0, result.afterMs) : 0 }
  }
  const { error } = attempt
  if (attemptNumber < policy.attempts && !isHopeless(error) && mayRetry(policy, error, attemptNumber)) {
    return { kind: 'retry', delayMs: backoffDelay(policy.backoff, attemptNumber, random) }
  }
  return { kind: 'dead-letter', ...describeFailure(error) }
}

/** Code, message and stack of whatever was thrown, bounded; never throws itself. */
export function describeFailure(error: unknown): { code: string; message: string; stack: string | undefined } {
  try {
    if (isMillraceError(error)) {
      return {
        code: error.code,
        message: clip(textOf(error.message), MESSAGE_CHARACTERS),
        stack: clip(stackOf(error), STACK_CHARACTERS),
      }
    }
    if (error instanceof Error) {
      return {
        code: 'handler_failed',
        message: clip(withCauses(error), MESSAGE_CHARACTERS),
        stack: clip(stackOf(error), STACK_CHARACTERS),
      }
    }
    return {
      code: 'handler_failed',
      message: clip(`Thrown: ${thrownText(error)}`, MESSAGE_CHARACTERS),
      stack: undefined,
    }
  } catch {
    return { code: 'handler_failed', message: 'Something was thrown that cannot be described.', stack: undefined }
  }
}

/** An error with what lies beneath it: "fetch failed" alone tells nobody why. */
function withCauses(error: Error): string {
  let text = named(error)
  let beneath = beneathOf(error)
  for (let depth = 0; depth < MOST_CAUSES && beneath !== undefined && beneath !== error; depth += 1) {
    text += `; cause: ${beneath instanceof Error ? named(beneath) : thrownText(beneath)}`
    beneath = beneath instanceof Error ? beneathOf(beneath) : undefined
  }
  return text
}

function beneathOf(error: Error): unknown {
  return error.cause ?? (error instanceof AggregateError ? error.errors[0] : undefined) ?? undefined
}

function named(error: Error): string {
  const text = textOf(error.message)
  if (text === '') return textOf(error.name)
  return error.name === 'Error' ? text : `${textOf(error.name)}: ${text}`
}

/** Of an object that has no text of its own, its message, or else the names of its members; never their values. */
function thrownText(value: unknown): string {
  const text = textOf(value)
  if (text !== '[object Object]' || typeof value !== 'object' || value === null) return text
  if ('message' in value && typeof value.message === 'string') return value.message
  const names = Object.keys(value).slice(0, 10)
  return names.length === 0 ? 'an empty object' : `an object with ${names.join(', ')}`
}

/** Whatever stands where a text should, as a text; an error by its message. Never throws. */
function textOf(value: unknown): string {
  try {
    if (typeof value === 'string') return value
    return value instanceof Error ? String(value.message) : String(value)
  } catch {
    return 'something that cannot be shown as text'
  }
}

function stackOf(error: Error): string | undefined {
  return typeof error.stack === 'string' ? error.stack : undefined
}

function isHopeless(error: unknown): boolean {
  return isMillraceError(error) && HOPELESS.has(error.code)
}

function mayRetry(policy: ResolvedRetry, error: unknown, attemptNumber: number): boolean {
  try {
    return answerOf(() => policy.retryIf(error, attemptNumber))
  } catch {
    return true
  }
}

function clip(text: string, length: number): string
function clip(text: string | undefined, length: number): string | undefined
function clip(text: string | undefined, length: number): string | undefined {
  // Half of a character is no text that every engine can keep; a cut may leave one.
  if (text === undefined || text.length <= length) return text?.toWellFormed()
  return `${text.slice(0, length).toWellFormed()}… (${text.length} characters)`
}
