import { MillraceError } from '../runtime/error.ts'
import { assertQueueName } from './names.ts'
import type { Keep, QueueDefinition, QueueOptions, Rate } from './queue-definition.ts'
import { wrongNumber } from './whole-number.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'

/**
 * Declares a queue: what limits its tasks, over all processes, and what is kept of them. Throws `event_name_invalid`,
 * `task_definition_invalid` with the option as path.
 *
 * @example
 * const Reports = defineQueue('reports', { concurrency: 4, perKey: { order: true } })
 */
export function defineQueue(name: string, options: QueueOptions = {}): QueueDefinition {
  assertQueueName(name)
  checkQueueOptions(name, options)
  return Object.freeze({ name, options: Object.freeze({ ...options }), declares: true })
}

/** The names of the options of a queue. */
export const QUEUE_OPTIONS: ReadonlySet<string> = new Set([
  'concurrency',
  'rateLimit',
  'maxWaiting',
  'perKey',
  'fair',
  'keep',
  'keepDead',
])
const PER_KEY: ReadonlySet<string> = new Set(['order', 'concurrency', 'rateLimit'])
const RATE: ReadonlySet<string> = new Set(['limit', 'per'])
const FAIR: ReadonlySet<string> = new Set(['quantum'])
const KEEP: ReadonlySet<string> = new Set(['age', 'count', 'bytes'])
const MOST_TOKENS = 1_000_000
const LONGEST_MS = Number.MAX_SAFE_INTEGER

/** Throws `task_definition_invalid` for an option that is unknown or out of its range. */
export function checkQueueOptions(queue: string, options: QueueOptions): void {
  members(queue, '', options, QUEUE_OPTIONS)
  const { concurrency, rateLimit, maxWaiting, perKey, fair, keep, keepDead } = options
  whole(queue, 'concurrency', concurrency, { least: 1, most: 1_000_000 })
  whole(queue, 'maxWaiting', maxWaiting, { least: 1, most: 1_000_000_000 })
  checkRate(queue, 'rateLimit', rateLimit)
  members(queue, 'perKey', perKey, PER_KEY)
  if (perKey?.order !== undefined && typeof perKey.order !== 'boolean')
    throw invalid(queue, 'perKey.order', 'must be true or false')
  whole(queue, 'perKey.concurrency', perKey?.concurrency, { least: 1, most: 1_000_000 })
  checkRate(queue, 'perKey.rateLimit', perKey?.rateLimit)
  if (perKey?.order === true && perKey.concurrency !== undefined && perKey.concurrency !== 1) {
    throw invalid(queue, 'perKey.concurrency', `is ${perKey.concurrency}, but with "order" one at a time runs`)
  }
  if (typeof fair !== 'boolean') checkFair(queue, fair)
  checkKeep(queue, 'keep', keep)
  checkKeep(queue, 'keepDead', keepDead)
}

function checkRate(queue: string, path: string, rate: Rate | undefined): void {
  if (rate === undefined) return
  members(queue, path, rate, RATE)
  if (rate.limit === undefined || rate.per === undefined)
    throw invalid(queue, path, 'needs a "limit" and "per", its milliseconds')
  whole(queue, `${path}.limit`, rate.limit, { least: 1, most: MOST_TOKENS })
  whole(queue, `${path}.per`, rate.per, { least: 1, most: 31_622_400_000 })
}

function checkFair(queue: string, fair: Exclude<QueueOptions['fair'], boolean>): void {
  if (fair === undefined) return
  const isObject = typeof fair === 'object' && fair !== null
  if (isObject) members(queue, 'fair', fair, FAIR)
  if (!isObject || fair.quantum === undefined)
    throw invalid(queue, 'fair', 'must be true, false, or { quantum } in milliseconds')
  whole(queue, 'fair.quantum', fair.quantum, { least: 1, most: 86_400_000 })
}

function checkKeep(queue: string, path: string, keep: Keep | undefined): void {
  members(queue, path, keep, KEEP)
  for (const bound of ['age', 'count', 'bytes'] as const)
    whole(queue, `${path}.${bound}`, keep?.[bound], { least: 0, most: LONGEST_MS })
}

function whole(
  queue: string,
  path: string,
  value: unknown,
  range: { readonly least: number; readonly most: number },
): void {
  const wrong = wrongNumber(value, range)
  if (wrong !== undefined) throw invalid(queue, path, wrong)
}

/** Of the option `path`, or of all options. */
function members(queue: string, path: string, value: unknown, known: ReadonlySet<string>): void {
  const wrong = value === undefined && path !== '' ? undefined : wrongOptions(value, known)
  if (wrong === undefined) return
  throw invalid(
    queue,
    [path, wrong.name].filter((name) => name !== undefined && name !== '').join('.') || 'options',
    wrong.what,
  )
}

function invalid(queue: string, path: string, what: string): MillraceError {
  return new MillraceError('task_definition_invalid', `The definition of the queue "${queue}": "${path}" ${what}.`, {
    path,
  })
}
