import type { AddOptions } from '@millrace/core'
import type { BullJob } from './job.ts'

/** What is left of the retries of a job: BullMQ keeps them with the job, where one attempt is the default. */
export function retriesOf({ options, attemptsMade }: BullJob): Pick<AddOptions, 'attempts' | 'backoff'> {
  const total = isCount(options.attempts) ? options.attempts : 1
  const backoff = backoffOf(options.backoff, attemptsMade)
  return { attempts: Math.max(1, total - attemptsMade), ...(backoff === undefined ? {} : { backoff }) }
}

/** Whether the delay between attempts comes from a function in the worker, which does not travel with the job. */
export function hasCustomBackoff({ options }: BullJob): boolean {
  const type = (options.backoff as { readonly type?: unknown } | undefined)?.type
  return type !== undefined && type !== 'fixed' && type !== 'exponential'
}

/** BullMQ knows no longest delay. */
const LONGEST_MS = 315_576_000_000

function backoffOf(backoff: unknown, attemptsMade: number): AddOptions['backoff'] {
  if (isCount(backoff)) return { type: 'fixed', delay: backoff }
  if (typeof backoff !== 'object' || backoff === null) return { type: 'fixed', delay: 0 }
  const { type, delay = 0, jitter = 0 } = backoff as Readonly<Record<string, unknown>>
  if (!isCount(delay) || (type !== 'fixed' && type !== 'exponential')) return undefined
  const first = type === 'fixed' ? delay : Math.min(LONGEST_MS, delay * 2 ** attemptsMade)
  return { type, delay: first, max: LONGEST_MS, jitter: typeof jitter === 'number' && jitter > 0 }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
}
