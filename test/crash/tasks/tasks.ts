import { defineQueue, defineTask } from '@millrace/core'
import type { TaskRules } from '@millrace/core/testing'

/** What the tasks of the crash proof carry: `n` decides how handlers treat them. */
export interface Work {
  readonly n: number
  readonly key: string
}

/** Checks nothing: a worker must start fast, as most of them live for a second. */
const work = {
  '~standard': { version: 1, vendor: 'crash-proof', validate: (value: unknown) => ({ value: value as Work }) },
} as const

/** Everything is kept until the checker has seen it. */
const keep = { age: 86_400_000, count: 10_000_000, bytes: 4 * 2 ** 30 }
const rules = { attempts: 3, backoff: { type: 'fixed', delay: 40 } } as const

const Ordered = defineQueue('ordered', { perKey: { order: true }, keep })
const Limited = defineQueue('limited', { concurrency: 12, perKey: { concurrency: 2 }, keep })
const Plain = defineQueue('plain', { keep, fair: { quantum: 50 } })

export const Step = defineTask('ordered.step', { input: work, queue: Ordered, ...rules, key: ({ key }) => key })
export const Call = defineTask('limited.call', { input: work, queue: Limited, ...rules, key: ({ key }) => key })
export const Job = defineTask('plain.job', { input: work, queue: Plain, ...rules, tenant: ({ key }) => key })
export const Part = defineTask('flow.part', { input: work, queue: Plain, ...rules })
export const Whole = defineTask('flow.whole', { input: work, queue: Plain, ...rules })
export const Tick = defineTask('plain.tick', { input: work, queue: Plain, ...rules })
export const TASKS = [Step, Call, Job, Part, Whole, Tick]

/** Schedules, with the milliseconds between two of their instants. */
export const SCHEDULES = { 'tick.one': 1_000, 'tick.two': 1_000, 'tick.three': 1_500 }
export const KEYS = 8
export const DEDUPE_KEYS = 5
export const LEASE_MS = 1_000

export function rulesOf(forgetsMs: number): TaskRules {
  return {
    queues: { ordered: { key: { order: true } }, limited: { concurrency: 12, key: { concurrency: 2 } } },
    attempts: Object.fromEntries(TASKS.map(({ name }) => [name, rules.attempts])),
    schedules: SCHEDULES,
    forgetsMs,
  }
}

/** What a handler does with a task. */
export function treatmentOf(
  n: number,
  attempt: number,
): { readonly does: 'fail' | 'reject' | 'later' | 'work'; readonly ms: number } {
  if (n % 53 === 7 && attempt <= 2) return { does: 'fail', ms: 0 }
  if (n % 43 === 5) return { does: 'reject', ms: 0 }
  if (n % 71 === 11) return { does: 'fail', ms: 0 }
  if (n % 61 === 3 && attempt === 1) return { does: 'later', ms: 60 }
  return { does: 'work', ms: (n * 7) % 25 }
}
