import type { SchemaInput, SchemaOutput, StandardSchema } from '../contract/standard-schema.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Dedupe } from './dedupe.ts'
import { defineQueue, QUEUE_OPTIONS } from './define-queue.ts'
import { assertTaskName } from './names.ts'
import { headStartOf, type Priority } from './priority.ts'
import type { QueueDefinition, QueueOptions } from './queue-definition.ts'
import { LONGEST_DELAY_MS, resolveBackoff, wrongBackoff, type TaskBackoff } from './retries.ts'
import type { TaskDefinition } from './task-definition.ts'
import { isAsyncFunction } from '../runtime/user-rule.ts'
import { wrongNumber } from './whole-number.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'

type AnySchema = StandardSchema<unknown, unknown>

/** What a schema takes and gives; without one, nothing (input) or anything (output). */
type InputOf<Schema, Otherwise> = Schema extends AnySchema ? SchemaInput<Schema> : Otherwise
type OutputOf<Schema, Otherwise> = Schema extends AnySchema ? SchemaOutput<Schema> : Otherwise

/** What `defineTask` takes beside the name. The options of a queue are allowed where the task has a queue of its own. */
export interface DefineTaskOptions<In, Out> extends QueueOptions {
  /** Of the input: any Standard Schema, synchronous. Without one the task takes no input. */
  readonly input?: In
  /** Of the output. Without one it may be anything that JSON can carry. */
  readonly output?: Out
  readonly description?: string
  /** Default: a queue of the task's own name. */
  readonly queue?: QueueDefinition | string
  /** Default `normal`. */
  readonly priority?: Priority
  /** In all, the first included. Default 5. */
  readonly attempts?: number
  readonly backoff?: TaskBackoff
  /** False makes the task dead at once. */
  readonly retryIf?: (error: unknown, attempt: number) => boolean
  /** Milliseconds of one attempt. Default 15 minutes; 0 is without limit. */
  readonly timeout?: number
  /** Milliseconds after which it is not started any more; at most ten years. */
  readonly expiresAfter?: number
  /** 1-256 bytes: what `perKey` of its queue counts by. */
  readonly key?: (input: OutputOf<In, undefined>) => string
  /** 1-256 bytes: who takes turns where its queue is fair. */
  readonly tenant?: (input: OutputOf<In, undefined>) => string
  /** A key alone stands for `{ key, mode: 'keep', until: 'end' }`. */
  readonly dedupe?: (input: OutputOf<In, undefined>) => string | Dedupe | undefined
}

const OPTIONS: ReadonlySet<string> = new Set([
  ...[
    'input',
    'output',
    'description',
    'queue',
    'priority',
    'attempts',
    'backoff',
    'retryIf',
    'timeout',
    'expiresAfter',
  ],
  ...['key', 'tenant', 'dedupe', ...QUEUE_OPTIONS],
])
const DEFAULT_ATTEMPTS = 5
const DEFAULT_TIMEOUT_MS = 15 * 60_000
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

/**
 * Declares a kind of task once: its schemas, queue, priority, retries and limits. Throws `event_name_invalid`,
 * `task_definition_invalid` with the option as path.
 *
 * @example
 * const BuildReport = defineTask('report.build', {
 *   input: z.object({ month: z.string() }),
 *   output: z.object({ url: z.string() }),
 *   key: (input) => input.month,
 * })
 */
export function defineTask<
  const Name extends string,
  In extends AnySchema | undefined = undefined,
  Out extends AnySchema | undefined = undefined,
>(
  name: Name,
  options: DefineTaskOptions<In, Out> = {},
): TaskDefinition<
  Name,
  InputOf<In, undefined>,
  OutputOf<In, undefined>,
  InputOf<Out, unknown>,
  OutputOf<Out, unknown>
> {
  type Data = OutputOf<In, undefined>
  assertTaskName(name)
  members(name, 'options', options, OPTIONS)
  const { input, output, description, attempts = DEFAULT_ATTEMPTS, timeout = DEFAULT_TIMEOUT_MS } = options
  checkSchema(name, 'input', input)
  checkSchema(name, 'output', output)
  whole(name, 'attempts', attempts, { least: 1, most: 1_000_000 })
  whole(name, 'timeout', timeout, { least: 0, most: LONGEST_TIMEOUT_MS })
  whole(name, 'expiresAfter', options.expiresAfter, { least: 1, most: LONGEST_DELAY_MS })
  checkBackoff(name, options.backoff)
  for (const path of ['key', 'tenant', 'dedupe', 'retryIf'] as const) checkFunction(name, path, options[path])
  const { key, tenant, dedupe, retryIf } = options
  return Object.freeze({
    name,
    description,
    queue: queueOf(name, options),
    input: input as unknown as StandardSchema<unknown, Data> | undefined,
    output: output as unknown as StandardSchema<unknown, OutputOf<Out, unknown>> | undefined,
    headStartMs: headStart(name, options.priority),
    retries: { attempts, delayMs: resolveBackoff(options.backoff), retryIf: retryIf ?? (() => true) },
    timeoutMs: timeout,
    expiresAfterMs: options.expiresAfter,
    keyOf: (data: Data) => key?.(data),
    tenantOf: (data: Data) => tenant?.(data),
    dedupeOf: (data: Data) => dedupe?.(data),
  })
}

function queueOf(
  name: string,
  { queue, concurrency, rateLimit, maxWaiting, perKey, fair, keep, keepDead }: QueueChoice,
): QueueDefinition {
  const own = Object.fromEntries(
    Object.entries({ concurrency, rateLimit, maxWaiting, perKey, fair, keep, keepDead }).filter(
      ([, value]) => value !== undefined,
    ),
  ) as QueueOptions
  if (queue === undefined) return defineQueue(name, own)
  if (typeof queue !== 'string' && (typeof queue !== 'object' || queue === null || typeof queue.name !== 'string'))
    throw invalid(name, 'queue', 'must be a name, or what defineQueue gives')
  const taken = Object.keys(own)[0]
  if (taken !== undefined)
    throw invalid(
      name,
      taken,
      `is an option of the queue "${typeof queue === 'string' ? queue : queue.name}", which other tasks share; say it there with defineQueue`,
    )
  return typeof queue === 'string' ? { ...defineQueue(queue), declares: false } : queue
}

interface QueueChoice extends QueueOptions {
  readonly queue?: QueueDefinition | string
}

function headStart(name: string, priority: Priority | undefined): number {
  try {
    return priority === undefined ? 0 : headStartOf(priority)
  } catch (error) {
    throw new MillraceError(
      'task_definition_invalid',
      `The definition of the task "${name}": ${error instanceof Error ? error.message : String(error)}`,
      { path: 'priority', cause: error },
    )
  }
}

function checkBackoff(name: string, backoff: TaskBackoff | undefined): void {
  if (backoff === undefined || typeof backoff === 'function') return checkFunction(name, 'backoff', backoff)
  const wrong = wrongBackoff(backoff)
  if (wrong !== undefined) throw invalid(name, wrong.path, wrong.what)
}

function checkSchema(name: string, path: string, schema: unknown): void {
  if (schema === undefined) return
  const standard: unknown = (schema as { readonly '~standard'?: unknown } | null)?.['~standard']
  if (
    typeof standard === 'object' &&
    standard !== null &&
    'validate' in standard &&
    typeof standard.validate === 'function'
  )
    return
  throw invalid(name, path, 'is no Standard Schema (Zod, Valibot, ArkType, ...)')
}

function members(task: string, path: string, value: unknown, known: ReadonlySet<string>): void {
  const wrong = wrongOptions(value, known)
  if (wrong !== undefined) throw invalid(task, wrong.name ?? path, wrong.what)
}

const ASYNCHRONOUS = 'must answer at once: make it a function that is not asynchronous'

function checkFunction(name: string, path: string, value: unknown): void {
  if (value === undefined) return
  if (typeof value !== 'function') throw invalid(name, path, 'must be a function')
  if (isAsyncFunction(value)) throw invalid(name, path, ASYNCHRONOUS)
}

function whole(
  name: string,
  path: string,
  value: unknown,
  range: { readonly least: number; readonly most: number },
): void {
  const wrong = wrongNumber(value, range)
  if (wrong !== undefined) throw invalid(name, path, wrong)
}

function invalid(name: string, path: string, what: string): MillraceError {
  return new MillraceError('task_definition_invalid', `The definition of the task "${name}": "${path}" ${what}.`, {
    path,
  })
}
