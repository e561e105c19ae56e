import { MillraceError } from '../runtime/error.ts'
import type { BatchHandler, PooledHandler } from './task-handler.ts'
import { wrongNumber } from './whole-number.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'
import type { WorkOptions } from './worker.ts'

/** The options of a worker with nothing left open. */
export interface ResolvedWork {
  readonly concurrency: number
  readonly batch: { readonly size: number; readonly waitMs: number } | undefined
}

const OPTIONS: ReadonlySet<string> = new Set(['concurrency', 'batch'])
const BATCH: ReadonlySet<string> = new Set(['size', 'waitMs'])
const STOP: ReadonlySet<string> = new Set(['timeoutMs'])
const DEFAULT_CONCURRENCY = 10
const DEFAULT_STOP_MS = 10_000
const LONGEST_STOP_MS = 2 ** 31 - 1
const DEFAULT_BATCH_WAIT_MS = 50

/** Throws `task_options_invalid` with the option as path. */
export function resolveWork(handler: PooledHandler | BatchHandler, options: WorkOptions = {}): ResolvedWork {
  if (typeof handler !== 'function')
    throw invalid('handler', `is of type ${typeof handler}; it must be a function of the input`)
  members('options', options, OPTIONS)
  const { concurrency, batch } = options
  check('concurrency', concurrency, 1, 100_000)
  if (batch !== undefined) members('batch', batch, BATCH)
  if (batch !== undefined && batch.size === undefined) throw invalid('batch.size', 'is missing')
  check('batch.size', batch?.size, 1, 1_000)
  check('batch.waitMs', batch?.waitMs, 0, 60_000)
  const isPool = 'concurrency' in handler || Symbol.asyncDispose in handler
  if (batch !== undefined && isPool)
    throw invalid('batch', 'is for a handler of its own: a pool runs one task at a time')
  const own = 'concurrency' in handler ? handler.concurrency : undefined
  return {
    concurrency: concurrency ?? own ?? DEFAULT_CONCURRENCY,
    batch: batch === undefined ? undefined : { size: batch.size, waitMs: batch.waitMs ?? DEFAULT_BATCH_WAIT_MS },
  }
}

/** Milliseconds that a stop gives running handlers. Throws `task_options_invalid`. */
export function stopTimeout(options: { readonly timeoutMs?: number } = {}): number {
  members('options', options, STOP)
  const { timeoutMs = DEFAULT_STOP_MS } = options
  if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) throw invalid('timeoutMs', 'must be milliseconds from 0')
  return Math.min(timeoutMs, LONGEST_STOP_MS)
}

function members(path: string, value: unknown, known: ReadonlySet<string>): void {
  const wrong = wrongOptions(value, known)
  if (wrong !== undefined) throw invalid(wrong.name ?? path, wrong.what)
}

function check(path: string, value: unknown, least: number, most: number): void {
  const wrong = wrongNumber(value, { least, most })
  if (wrong !== undefined) throw invalid(path, wrong)
}

function invalid(path: string, what: string): MillraceError {
  return new MillraceError('task_options_invalid', `The option "${path}" of the worker ${what}.`, { path })
}
