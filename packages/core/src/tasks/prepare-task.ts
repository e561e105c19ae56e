import { bytesIfNear, isAttributeText } from '../contract/attribute-text.ts'
import { checkMetadata } from '../contract/check-event.ts'
import type { EventMetadata } from '../contract/event.ts'
import { DEFAULT_LIMITS, type Limits } from '../contract/limits.ts'
import type { HandledWork } from '../bus/handling-context.ts'
import type { NewTask, TaskDedupe } from '../driver/task.ts'
import { isAbortSignal } from '../runtime/abort.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { systemRuntime } from '../runtime/system-runtime.ts'
import { checkInputTwice, checkTexts } from './check-input.ts'
import type { Dedupe } from './dedupe.ts'
import type { EnqueueOptions } from './enqueue-options.ts'
import { headStartOf } from './priority.ts'
import { LONGEST_DELAY_MS, wrongBackoff } from './retries.ts'
import { encodePlainBody, encodeTaskBody, type TaskBody } from './task-body.ts'
import type { AnyTaskDefinition } from './task-definition.ts'
import type { TaskMetadata } from './task-handler.ts'
import { wrongNumber } from './whole-number.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'

/** Where a task takes from what its caller leaves open. */
export interface PrepareContext {
  readonly runtime: Pick<Runtime, 'now' | 'id'>
  readonly limits: Limits
  /** The event or task being handled. */
  readonly handled?: HandledWork | undefined
  /** Nobody knows its definition here: whoever runs it checks the input. */
  readonly unchecked?: boolean
}

const OPTIONS: ReadonlySet<string> = new Set([
  ...['id', 'delay', 'runAt', 'priority', 'dedupe', 'expiresAfter', 'expiresAt', 'attempts', 'backoff', 'timeout'],
  ...['key', 'tenant', 'metadata', 'signal', 'tx', 'queue'],
])
const METADATA: ReadonlySet<string> = new Set<keyof EventMetadata>([
  ...(['correlationId', 'causationId', 'userId', 'sessionId', 'tenantId'] as const),
  ...(['traceparent', 'tracestate', 'expiresAt', 'extensions'] as const),
])
const DEDUPE: ReadonlySet<string> = new Set(['key', 'mode', 'until', 'window'])
const NO_OPTIONS: EnqueueOptions = {}
let systemContext: PrepareContext | undefined

/**
 * The task that `enqueue` would send to a store, without sending it. Throws `task_input_invalid`, `task_options_invalid`,
 * `event_not_json`, `event_forbidden_key`, `limit_exceeded`, each with the path.
 */
export function prepareTask(
  definition: AnyTaskDefinition,
  input: unknown,
  options: EnqueueOptions = NO_OPTIONS,
  context: PrepareContext = (systemContext ??= { runtime: systemRuntime(), limits: DEFAULT_LIMITS }),
): NewTask {
  const { runtime, limits, handled } = context
  if (options !== NO_OPTIONS) checkOptions(options)
  const { output: data, changesAgain: asIs } = checkInputTwice(definition, input, limits)
  const id = options.id ?? runtime.id()
  if (options.id !== undefined) checkText('id', id, limits)
  const key = options.key ?? definition.keyOf(data)
  if (key !== undefined) checkText('key', key, limits)
  const tenant = options.tenant ?? definition.tenantOf(data)
  if (tenant !== undefined) checkText('tenant', tenant, limits)
  const dedupe = dedupeOf(options.dedupe ?? definition.dedupeOf(data), limits)
  const replaces = dedupe !== undefined && dedupe.mode !== 'keep'
  const isPlain = handled === undefined && context.unchecked !== true && !asIs && !replaces && !travels(options)
  const body = isPlain
    ? encodePlainBody(data, id)
    : encodeTaskBody({
        ...bodyOf(data, metadataOf(id, options.metadata, handled, limits), options, context),
        ...(asIs ? { asIs } : undefined),
        ...(replaces ? { origin: id } : undefined),
      })
  checkTexts(data, body, limits)
  if (bytesIfNear(body, limits.eventBytes) > limits.eventBytes) throw tooLarge(definition.name, limits.eventBytes)
  return {
    id,
    queue: definition.queue.name,
    name: definition.name,
    body,
    key,
    tenant,
    headStartMs: options.priority === undefined ? definition.headStartMs : headStartOf(options.priority),
    delayMs: delayOf(options, runtime),
    expiresInMs: expiryOf(options, runtime) ?? definition.expiresAfterMs,
    dedupe,
    parent: undefined,
    children: 0,
    failFast: false,
  }
}

/** Whether any of it is kept in the body. */
function travels({ metadata, attempts, backoff, timeout }: EnqueueOptions): boolean {
  return metadata !== undefined || attempts !== undefined || backoff !== undefined || timeout !== undefined
}

function checkOptions(options: EnqueueOptions): void {
  const wrong = wrongOptions(options, OPTIONS)
  if (wrong !== undefined) throw invalid(wrong.name ?? 'options', wrong.what)
  const { metadata, signal } = options
  const strange = metadata === undefined ? undefined : wrongOptions(metadata, METADATA)
  if (strange !== undefined)
    throw invalid(strange.name === undefined ? 'metadata' : `metadata.${strange.name}`, strange.what)
  if (signal !== undefined && !isAbortSignal(signal)) throw invalid('signal', 'must be an AbortSignal')
}

function bodyOf(input: unknown, metadata: TaskMetadata, options: EnqueueOptions, context: PrepareContext): TaskBody {
  const { attempts, backoff, timeout } = options
  if (attempts !== undefined) whole('attempts', attempts, 1, 1_000_000)
  if (timeout !== undefined) whole('timeout', timeout, 0, 2 ** 31 - 1)
  if (backoff !== undefined) checkBackoff(backoff)
  return {
    input,
    metadata,
    ...(context.unchecked === true ? { unchecked: true } : undefined),
    ...(attempts === undefined ? undefined : { attempts }),
    ...(backoff === undefined ? undefined : { backoff }),
    ...(timeout === undefined ? undefined : { timeout }),
  }
}

const INHERITED = ['sessionId', 'userId', 'tenantId', 'traceparent', 'tracestate', 'extensions'] as const

/** The flow goes on: what the caller gives, else that of the event or task being handled. */
function metadataOf(
  id: string,
  given: Partial<EventMetadata> | undefined,
  handled: HandledWork | undefined,
  limits: Limits,
): TaskMetadata {
  if (given === undefined && handled === undefined) return { correlationId: id }
  if (given !== undefined) checkMetadata(given, limits)
  const metadata: { -readonly [Name in keyof EventMetadata]?: EventMetadata[Name] } = { ...given }
  if (handled !== undefined) {
    metadata.causationId ??= handled.id
    for (const name of INHERITED) {
      // The state belongs to its parent: one without the other would be another trace.
      if (name === 'tracestate' && given?.traceparent !== undefined) continue
      const value = handled.metadata[name]
      if (metadata[name] === undefined && value !== undefined) Object.assign(metadata, { [name]: value })
    }
  }
  return { ...metadata, correlationId: given?.correlationId ?? handled?.metadata.correlationId ?? id }
}

function delayOf({ delay, runAt }: EnqueueOptions, runtime: Pick<Runtime, 'now'>): number {
  if (delay !== undefined && runAt !== undefined) throw invalid('runAt', 'is given, and "delay" too; give one of them')
  if (runAt !== undefined) return Math.min(LONGEST_DELAY_MS, Math.max(0, timeOf('runAt', runAt) - runtime.now()))
  return delay === undefined ? 0 : duration('delay', delay)
}

function expiryOf({ expiresAfter, expiresAt }: EnqueueOptions, runtime: Pick<Runtime, 'now'>): number | undefined {
  if (expiresAfter !== undefined && expiresAt !== undefined)
    throw invalid('expiresAt', 'is given, and "expiresAfter" too; give one of them')
  if (expiresAt !== undefined)
    return Math.min(LONGEST_DELAY_MS, Math.max(0, timeOf('expiresAt', expiresAt) - runtime.now()))
  return expiresAfter === undefined ? undefined : duration('expiresAfter', expiresAfter)
}

function dedupeOf(dedupe: string | Dedupe | false | undefined, limits: Limits): TaskDedupe | undefined {
  if (dedupe === undefined || dedupe === false) return undefined
  const wrong = typeof dedupe === 'string' ? undefined : wrongOptions(dedupe, DEDUPE)
  if (wrong !== undefined) throw invalid(wrong.name === undefined ? 'dedupe' : `dedupe.${wrong.name}`, wrong.what)
  const { key, mode = 'keep', until = 'end', window } = typeof dedupe === 'string' ? { key: dedupe } : dedupe
  checkText('dedupe.key', key, limits)
  if (!['keep', 'replace', 'debounce'].includes(mode))
    throw invalid('dedupe.mode', `is "${String(mode)}"; it must be keep, replace or debounce`)
  if (until !== 'start' && until !== 'end')
    throw invalid('dedupe.until', `is "${String(until)}"; it must be start or end`)
  if (window === undefined) return { key, mode, until, windowMs: undefined }
  return { key, mode, until: 'window', windowMs: duration('dedupe.window', window) }
}

function checkText(path: string, value: unknown, { idBytes }: Limits): asserts value is string {
  if (typeof value !== 'string' || value === '') throw invalid(path, 'must be a text that is not empty')
  if (bytesIfNear(value, idBytes) > idBytes) {
    throw new MillraceError('limit_exceeded', `The "${path}" of the task has more than ${idBytes} bytes. Shorten it.`, {
      path,
      facts: { limit: idBytes },
    })
  }
  if (!isAttributeText(value)) throw invalid(path, 'holds a control character, a lone surrogate or a non-character')
}

function checkBackoff(backoff: unknown): void {
  if (typeof backoff === 'function')
    throw invalid('backoff', 'must be a rule here, since it travels with the task; a function belongs into defineTask')
  const wrong = wrongBackoff(backoff)
  if (wrong !== undefined) throw invalid(wrong.path, wrong.what)
}

function duration(path: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= LONGEST_DELAY_MS) return value
  throw invalid(
    path,
    `is ${typeof value === 'number' ? value : `of type ${typeof value}`}; it must be milliseconds from 0 to ten years`,
  )
}

function timeOf(path: string, value: unknown): number {
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.getTime()
  throw invalid(path, 'must be a Date that exists')
}

function whole(path: string, value: unknown, least: number, most: number): void {
  const wrong = wrongNumber(value, { least, most })
  if (wrong !== undefined) throw invalid(path, wrong)
}

function invalid(path: string, what: string): MillraceError {
  return new MillraceError('task_options_invalid', `The option "${path}" of the task ${what}.`, { path })
}

function tooLarge(name: string, limit: number): MillraceError {
  return new MillraceError(
    'limit_exceeded',
    `The task "${name}" has more than ${limit} bytes. Store its input elsewhere and enqueue a reference.`,
    { path: 'input', facts: { limit } },
  )
}
