import { backoffDelay } from '../runtime/backoff.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'
import { answerOf } from '../runtime/user-rule.ts'
import { wrongNumber } from './whole-number.ts'

/** How long a failed task waits for its next attempt. */
export type TaskBackoff = BackoffRule | ((attempt: number, error: unknown) => number)

export interface BackoffRule {
  /** Default `exponential`: the delay doubles with each attempt. */
  readonly type?: 'exponential' | 'fixed'
  /** Milliseconds before the second attempt. Default 1,000. */
  readonly delay?: number
  /** The longest delay. Default an hour. */
  readonly max?: number
  /** Whether the delay is drawn evenly from 0 up to its bound, which spreads what failed together. Default: with `exponential`. */
  readonly jitter?: boolean
}

/** Rules of retries with nothing left open. */
export interface ResolvedRetries {
  /** In all, the first included. */
  readonly attempts: number
  readonly delayMs: (attempt: number, error: unknown, random: number) => number
  readonly retryIf: (error: unknown, attempt: number) => boolean
}

const RULE: ReadonlySet<string> = new Set<keyof BackoffRule>(['type', 'delay', 'max', 'jitter'])

/** What is wrong with a rule: its path, and the end of a sentence that says what; undefined when nothing is. */
export function wrongBackoff(rule: unknown): { readonly path: string; readonly what: string } | undefined {
  const strange = wrongOptions(rule, RULE)
  if (strange !== undefined)
    return { path: strange.name === undefined ? 'backoff' : `backoff.${strange.name}`, what: strange.what }
  const { type, delay, max, jitter } = rule as { readonly [Name in keyof BackoffRule]: unknown }
  if (type !== undefined && type !== 'exponential' && type !== 'fixed')
    return { path: 'backoff.type', what: 'must be "exponential" or "fixed"' }
  if (jitter !== undefined && typeof jitter !== 'boolean')
    return { path: 'backoff.jitter', what: 'must be true or false' }
  for (const [name, value] of Object.entries({ delay, max })) {
    const what = wrongNumber(value, { least: 0, most: LONGEST_DELAY_MS })
    if (what !== undefined) return { path: `backoff.${name}`, what }
  }
  return undefined
}

export const DEFAULT_BACKOFF = { type: 'exponential', delay: 1_000, max: 3_600_000 } as const

/** The delay after the failed attempt `attempt` (1 is the first); `random` in [0, 1). Whatever a function of the user gives becomes a time. */
export function resolveBackoff(backoff: TaskBackoff = {}): ResolvedRetries['delayMs'] {
  if (typeof backoff === 'function') return (attempt, error) => asDelay(() => backoff(attempt, error))
  const { type = DEFAULT_BACKOFF.type, delay = DEFAULT_BACKOFF.delay, max = DEFAULT_BACKOFF.max } = backoff
  const jitter = backoff.jitter ?? type === 'exponential'
  const rule = { first: delay, factor: type === 'fixed' ? 1 : 2, ceiling: max }
  return (attempt, _error, random) => backoffDelay(rule, attempt, jitter ? random : 1)
}

/** A rule of the user that throws or gives no time must not lose the attempt: the default takes its place. */
function asDelay(rule: () => number): number {
  try {
    const delay = answerOf(rule)
    return Number.isFinite(delay) && delay >= 0 ? Math.min(delay, LONGEST_DELAY_MS) : DEFAULT_BACKOFF.delay
  } catch {
    return DEFAULT_BACKOFF.delay
  }
}

/** Ten years: what a caller means by more is not a delay. */
export const LONGEST_DELAY_MS = 315_576_000_000
