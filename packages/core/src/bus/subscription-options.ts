import { assertGroupName } from '../contract/event-name.ts'
import type { StartAt } from '../driver/transport.ts'
import type { Backoff } from '../runtime/backoff.ts'
import { MillraceError } from '../runtime/error.ts'
import { isAsyncFunction } from '../runtime/user-rule.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'
import type { Middleware } from './handler.ts'
import { resolveRetry, type ResolvedRetry } from './outcome.ts'
import type { RetryPolicy, SubscribeOptions } from './subscription.ts'

/** The options of a subscription with nothing left open. */
export interface ResolvedSubscription {
  readonly group: string
  readonly from: StartAt
  readonly concurrency: number
  readonly ordering: 'key' | 'topic' | 'none'
  readonly retry: ResolvedRetry
  readonly timeoutMs: number
  readonly onDeadLetter: 'continue' | 'park-key'
  readonly readAhead: number
  readonly laneCapacity: number
  readonly middleware: readonly Middleware[]
  /** Milliseconds for which the inbox remembers; undefined without one. */
  readonly inboxKeepMs: number | undefined
  readonly drainMs: number
  readonly blockedLoopMs: number
}

/** Milliseconds that a handler may block the event loop before its member loses the lease. */
const BLOCKED_LOOP_MS = 30_000
const DRAIN_MS = 10_000
/** How long an applied event is known when nobody says otherwise. */
const INBOX_KEEP_MS = 7 * 24 * 3_600_000

const OPTIONS: ReadonlySet<string> = new Set<keyof SubscribeOptions>([
  ...(['group', 'from', 'concurrency', 'ordering', 'retry', 'timeout', 'onDeadLetter', 'readAhead'] as const),
  ...(['laneCapacity', 'middleware', 'inbox', 'via'] as const),
])
const RETRY: ReadonlySet<string> = new Set<keyof RetryPolicy>(['attempts', 'backoff', 'retryIf'])
const BACKOFF: ReadonlySet<string> = new Set<keyof Backoff>(['first', 'factor', 'ceiling'])

/** Refuses options that are none: misspelt, they would be as if they had not been said. Throws `subscription_invalid`. */
export function checkSubscribeOptions(options: SubscribeOptions): void {
  checkNames(options, '', OPTIONS)
  const { group, retry } = options
  if (group === undefined) throw invalid('group', 'is missing; it is the durable name under which progress is kept')
  if (retry === undefined) return
  checkNames(retry, 'retry', RETRY)
  if (retry.backoff !== undefined) checkNames(retry.backoff, 'retry.backoff', BACKOFF)
}

/** Fills in the defaults. Throws `subscription_invalid` with the option as path, `event_name_invalid`. */
export function resolveSubscription(options: SubscribeOptions): ResolvedSubscription {
  assertGroupName(options.group)
  const resolved = {
    group: options.group,
    from: startOf(options.from ?? 'latest'),
    concurrency: options.ordering === 'topic' ? 1 : checkConcurrency(options.concurrency ?? 16),
    ordering: oneOf('ordering', options.ordering ?? 'key', ['key', 'topic', 'none'] as const),
    retry: resolveRetry(options.retry),
    timeoutMs: whole('timeout', options.timeout ?? 30_000, 0, 2 ** 31 - 1),
    onDeadLetter: oneOf('onDeadLetter', options.onDeadLetter ?? 'continue', ['continue', 'park-key'] as const),
    readAhead: whole('readAhead', options.readAhead ?? 10_000, 1, 1_000_000),
    laneCapacity: whole('laneCapacity', options.laneCapacity ?? 100_000, 1, 100_000_000),
    middleware: options.middleware ?? [],
    inboxKeepMs: inboxOf(options.inbox),
    drainMs: DRAIN_MS,
    blockedLoopMs: BLOCKED_LOOP_MS,
  }
  whole('retry.attempts', resolved.retry.attempts, 1, 1_000_000)
  const { retryIf } = resolved.retry
  if (typeof retryIf !== 'function') throw invalid('retry.retryIf', 'must be a function of the error')
  if (isAsyncFunction(retryIf))
    throw invalid('retry.retryIf', 'must answer at once: make it a function that is not asynchronous')
  const { first, factor, ceiling } = resolved.retry.backoff
  if (!(first >= 0 && factor >= 1 && ceiling >= 0)) {
    throw invalid(
      'retry.backoff',
      `has first ${first}, factor ${factor}, ceiling ${ceiling}; it needs first and ceiling of 0 or more and a factor of 1 or more`,
    )
  }
  if (resolved.ordering === 'none' && resolved.onDeadLetter === 'park-key') {
    throw invalid('onDeadLetter', `is "park-key", which needs the order by key that "ordering: 'none'" gives up`)
  }
  return resolved
}

/** A start as the port takes it. */
export function startOf(from: StartAt | Date): StartAt {
  if (!(from instanceof Date)) return checkStart(from)
  if (Number.isNaN(from.getTime())) throw invalid('from', 'is a date that does not exist')
  return { time: from.getTime() }
}

function checkStart(from: StartAt): StartAt {
  if (from === 'earliest' || from === 'latest') return from
  const isPlace = typeof from === 'object' && from !== null && ('time' in from || 'after' in from)
  if (isPlace) return from
  throw invalid('from', `is ${JSON.stringify(from)}; it must be "latest", "earliest", a Date, { time } or { after }`)
}

function checkNames(given: unknown, at: string, known: ReadonlySet<string>): void {
  const wrong = wrongOptions(given, known)
  if (wrong !== undefined) throw invalid([at, wrong.name ?? ''].filter((part) => part !== '').join('.'), wrong.what)
}

/** Throws `subscription_invalid` for a number of handlers that cannot run. */
export function checkConcurrency(concurrency: number): number {
  return whole('concurrency', concurrency, 1, 100_000)
}

function inboxOf(inbox: SubscribeOptions['inbox']): number | undefined {
  if (inbox === undefined || inbox === false) return undefined
  const keepMs = inbox === true ? undefined : inbox.keepMs
  return whole('inbox.keepMs', keepMs ?? INBOX_KEEP_MS, 1_000, Number.MAX_SAFE_INTEGER)
}

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw invalid(name, `is ${String(value)}; it must be a whole number from ${least} to ${most}`)
}

function oneOf<Value extends string>(name: string, value: Value, allowed: readonly Value[]): Value {
  if (allowed.includes(value)) return value
  throw invalid(name, `is "${value}"; it must be one of ${allowed.join(', ')}`)
}

function invalid(path: string, what: string): MillraceError {
  const where = path === '' ? 'The argument "options"' : `The option "${path}"`
  return new MillraceError('subscription_invalid', `${where} of the subscription ${what}.`, { path: path || 'options' })
}
