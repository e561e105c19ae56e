import { bytesIfNear } from '../contract/attribute-text.ts'
import type { Limits } from '../contract/limits.ts'
import { fingerprintOf } from '../bus/fingerprint.ts'
import type { Reject, RetryLater } from '../bus/handler.ts'
import { describeFailure } from '../bus/outcome.ts'
import type { TaskSettle } from '../driver/task-store.ts'
import type { TaskError } from '../driver/task.ts'
import { isMillraceError } from '../runtime/error.ts'
import { checkOutput } from './check-input.ts'
import { LONGEST_DELAY_MS, type ResolvedRetries } from './retries.ts'
import type { AnyTaskDefinition } from './task-definition.ts'
import { answerOf } from '../runtime/user-rule.ts'

/** What an attempt came to. */
export type TaskAttempt =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: unknown }

/** How the claim ends now. */
export type TaskVerdict = Pick<TaskSettle, 'as' | 'delayMs' | 'output' | 'error'>

/** What is known of the task that was tried. */
export interface JudgedTask {
  readonly definition: AnyTaskDefinition
  readonly retries: ResolvedRetries
  /** This attempt: 1 is the first. */
  readonly attempt: number
  /** Somebody asked to cancel it while it ran. */
  readonly cancelled: boolean
  readonly limits: Limits
}

/** Codes that a task may end with: what our own rules say of it. Any other failure is one of the handler. */
const OWN_CODES: ReadonlySet<string> = new Set([
  'task_timeout',
  'task_input_invalid',
  'task_output_invalid',
  'task_pool_failed',
  'task_cancelled',
  'task_rejected',
])
/** The same input would meet them again. */
const HOPELESS: ReadonlySet<string> = new Set(['task_input_invalid', 'task_output_invalid', 'task_rejected'])

/** Given back as if never claimed. */
export const RELEASED: TaskVerdict = { as: 'release', delayMs: 0, output: undefined, error: undefined }
/** Its time was up before it began. */
export const EXPIRED: TaskVerdict = { as: 'expired', delayMs: 0, output: undefined, error: undefined }

const DONE_WITHOUT_OUTPUT: TaskVerdict = { as: 'done', delayMs: 0, output: undefined, error: undefined }

/** Judges an attempt. Pure: `random` in [0, 1) is handed in. */
export function judgeTask(attempt: TaskAttempt, task: JudgedTask, random: number): TaskVerdict {
  if (!attempt.ok) return judgeFailure(attempt.error, task, random)
  const { result } = attempt
  if (isRetry(result)) return judgeWish(result, task)
  if (isReject(result)) return end('dead', failureOf('task_rejected', textOf(result.reason)))
  return judgeOutput(result, task, random)
}

function judgeOutput(result: unknown, task: JudgedTask, random: number): TaskVerdict {
  const { definition, limits } = task
  if (result === undefined && definition.output === undefined) return DONE_WITHOUT_OUTPUT
  try {
    const output: unknown = checkOutput(definition, result, limits)
    const text = output === undefined ? undefined : JSON.stringify(output)
    if (text !== undefined && bytesIfNear(text, limits.eventBytes) > limits.eventBytes)
      return end(
        'dead',
        failureOf(
          'task_output_invalid',
          `The output has more than ${limits.eventBytes} bytes. Store it elsewhere and return a reference.`,
        ),
      )
    return { as: 'done', delayMs: 0, output: text, error: undefined }
  } catch (error) {
    return judgeFailure(error, task, random)
  }
}

function judgeFailure(error: unknown, { retries, attempt, cancelled }: JudgedTask, random: number): TaskVerdict {
  const failure = taskErrorOf(error)
  if (cancelled) return cancelledVerdict()
  if (HOPELESS.has(failure.code) || attempt >= retries.attempts || !mayRetry(retries, error, attempt))
    return end('dead', failure)
  return { as: 'retry', delayMs: retries.delayMs(attempt, error, random), output: undefined, error: failure }
}

function judgeWish({ afterMs }: RetryLater, { retries, attempt, cancelled }: JudgedTask): TaskVerdict {
  if (cancelled) return cancelledVerdict()
  const asked = `The handler asked for a retry on each of ${retries.attempts} attempts.`
  if (attempt >= retries.attempts) return end('dead', failureOf('task_failed', asked))
  const delayMs = Number.isFinite(afterMs) ? Math.min(LONGEST_DELAY_MS, Math.max(0, afterMs)) : 0
  return { as: 'retry', delayMs, output: undefined, error: undefined }
}

/** A failure as it is kept: bounded, with its fingerprint. */
export function taskErrorOf(error: unknown): TaskError {
  const { code, message, stack } = describeFailure(error)
  if (OWN_CODES.has(code)) return failureOf(code, pathed(message, error), stack)
  return failureOf('task_failed', code === 'handler_failed' ? message : `${code}: ${message}`, stack)
}

function pathed(message: string, error: unknown): string {
  if (!isMillraceError(error) || error.path === undefined || message.includes(error.path)) return message
  return `${message} (at ${error.path})`
}

export function failureOf(code: string, text: string, stack?: string): TaskError {
  const message = text.toWellFormed()
  return { code, message, stack, fingerprint: fingerprintOf({ code, message, stack }) }
}

/** Somebody has cancelled it. */
export function cancelledVerdict(): TaskVerdict {
  return end('cancelled', failureOf('task_cancelled', 'The task was cancelled.'))
}

function end(as: TaskVerdict['as'], error: TaskError): TaskVerdict {
  return { as, delayMs: 0, output: undefined, error }
}

function mayRetry({ retryIf }: ResolvedRetries, error: unknown, attempt: number): boolean {
  try {
    return answerOf(() => retryIf(error, attempt)) !== false
  } catch {
    return true
  }
}

function isRetry(value: unknown): value is RetryLater {
  return hasShape(value, 'retry', 'afterMs') && typeof value.afterMs === 'number'
}

function isReject(value: unknown): value is Reject {
  return hasShape(value, 'reject', 'reason')
}

/** A wish of a handler has its two properties and no other, so that an output is hardly taken for one. */
function hasShape<Name extends string>(
  value: unknown,
  outcome: string,
  name: Name,
): value is { readonly [Property in Name]: unknown } {
  if (typeof value !== 'object' || value === null || !('outcome' in value) || value.outcome !== outcome) return false
  return name in value && Object.keys(value).length === 2
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 4_096) : 'The handler rejected the task.'
}
