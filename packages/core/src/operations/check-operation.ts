import { assertTopicName } from '../contract/event-name.ts'
import { MillraceError } from '../runtime/error.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'
import type { OperationOptions, OperationTask } from './operation.ts'
import { checkSettings, type SomeSettings } from './settings.ts'

/** The options of an operation with their defaults. */
export interface ResolvedOperation {
  readonly settings: SomeSettings
  readonly isIdempotent: boolean
  readonly startTimeoutMs: number
  readonly concurrency: number
  readonly queued: number
  readonly failures: number
  readonly retryMs: number
  readonly maxRetryMs: number
}

const OPTIONS: ReadonlySet<string> = new Set<keyof OperationOptions<OperationTask>>([
  ...(['task', 'run', 'mode', 'fallback', 'rollout', 'maxWaitMs', 'idempotent', 'startTimeoutMs'] as const),
  ...(['limits', 'circuit'] as const),
])
const LIMITS: ReadonlySet<string> = new Set(['concurrency', 'queued'])
const CIRCUIT: ReadonlySet<string> = new Set(['failures', 'retryMs', 'maxRetryMs'])

/** Throws `operation_invalid` for a name that settings could not be stored under. */
export function checkOperationName(name: string): void {
  try {
    assertTopicName(name)
  } catch (error) {
    throw invalid(name, 'name', 'a name is dotted lower-case words, such as "seo.audit"', error)
  }
}

/** Throws `operation_invalid`. */
export function checkOperation<Task extends OperationTask>(
  name: string,
  options: OperationOptions<Task>,
): ResolvedOperation {
  checkOperationName(name)
  checkNames(name, options, OPTIONS)
  const { task, run, limits = {}, circuit = {} } = options
  checkNames(name, limits, LIMITS)
  checkNames(name, circuit, CIRCUIT)
  if (typeof task !== 'object' || task === null || typeof task.name !== 'string') {
    throw invalid(name, 'task', '"task" is what defineTask returns')
  }
  if (typeof run !== 'function') throw invalid(name, 'run', '"run" is the function that does it here')
  const { concurrency = 20, queued = 100 } = limits
  const { failures = 3, retryMs = 1_000, maxRetryMs = 15_000 } = circuit
  const { startTimeoutMs = 1_000, idempotent = false } = options
  const atLeast = { concurrency: 1, queued: 0, failures: 1, retryMs: 1, maxRetryMs: 1, startTimeoutMs: 1 }
  for (const [path, value] of Object.entries({ concurrency, queued, failures, retryMs, maxRetryMs, startTimeoutMs })) {
    const least = atLeast[path as keyof typeof atLeast]
    if (!Number.isSafeInteger(value) || value < least) {
      throw invalid(name, path, `${path} is ${String(value)}; it must be a whole number from ${least}`)
    }
  }
  if (maxRetryMs < retryMs)
    throw invalid(name, 'maxRetryMs', `maxRetryMs (${maxRetryMs}) is below retryMs (${retryMs})`)
  return {
    settings: checkSettings(options, `the definition of the operation "${name}"`),
    isIdempotent: idempotent,
    startTimeoutMs,
    concurrency,
    queued,
    failures,
    retryMs,
    maxRetryMs,
  }
}

function checkNames(name: string, given: unknown, known: ReadonlySet<string>): void {
  const wrong = wrongOptions(given, known)
  if (wrong !== undefined) throw invalid(name, wrong.name ?? 'options', `"${wrong.name ?? 'options'}" ${wrong.what}`)
}

function invalid(name: string, path: string, what: string, cause?: unknown): MillraceError {
  return new MillraceError(
    'operation_invalid',
    `The operation ${JSON.stringify(String(name).slice(0, 60))} cannot be defined: ${what}.`,
    {
      path,
      cause,
    },
  )
}
