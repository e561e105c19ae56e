import type { ScheduleOptions, ScheduleRule } from '@millrace/core'
import type { MappingRules } from './task-of-job.ts'
import { legalName } from './names.ts'
import { priorityFrom } from './priority.ts'

/** A scheduler as BullMQ keeps it, or a repeatable job of version 5 and before. */
export interface Scheduler {
  readonly id: string
  /** When its pending run is due, in milliseconds since the epoch. */
  readonly nextAt: number
  readonly name: string | undefined
  readonly pattern: string | undefined
  readonly every: number | undefined
  readonly timeZone: string | undefined
  readonly endsAt: number | undefined
  /** How often it runs in all, and how many runs it has made; the pending one included. */
  readonly limit: number | undefined
  readonly made: number
  /** JSON texts; of a repeatable job, those of its pending run. */
  readonly data: string
  readonly options: string
}

/** What a scheduler becomes. */
export interface ScheduleOfScheduler {
  readonly name: string
  readonly rule: ScheduleRule
  readonly options: ScheduleOptions & { readonly task: string }
}

/**
 * The schedule of a scheduler; its pending run is a job of its own that is moved as one, so that it begins after that. Undefined when nothing
 * comes after the pending run; a text where it cannot be mapped. Patterns without a zone are those of `timeZone`: BullMQ takes that of the worker's machine.
 */
export function scheduleOf(
  scheduler: Scheduler,
  rules: MappingRules,
  timeZone: string,
): ScheduleOfScheduler | string | undefined {
  const { id, nextAt, pattern, every, endsAt, limit, made } = scheduler
  const label = `the scheduler ${JSON.stringify(id.slice(0, 80))}`
  if (scheduler.name === undefined) return `${label} has no job that it could add`
  if (pattern === undefined && every === undefined) return `${label} has neither a pattern nor an interval`
  if (every !== undefined && every < 1_000)
    return `${label} runs every ${every} ms; a schedule runs at most once a second`
  const task = rules.names.of(scheduler.name)
  if ('because' in task) return task.because
  const left = limit === undefined ? undefined : limit - made
  if ((left !== undefined && left < 1) || (endsAt !== undefined && endsAt <= nextAt)) return undefined
  const input = parse(scheduler.data)
  const options = parse(scheduler.options)
  if (input === undefined || options === undefined) return `${label} has data that is not JSON`
  const rule: ScheduleRule =
    pattern === undefined
      ? { every: every ?? 0, from: new Date(nextAt) }
      : { cron: pattern, timeZone: scheduler.timeZone ?? timeZone }
  const { priority } = options.value as { readonly priority?: unknown }
  return {
    name: scheduleName(rules.queue, scheduler),
    rule,
    options: {
      task: task.task,
      input: input.value,
      options: { queue: rules.toQueue, priority: priorityFrom(Number(priority ?? 0)) },
      starts: new Date(nextAt + 1),
      ...(endsAt === undefined ? {} : { ends: new Date(endsAt) }),
      ...(left === undefined ? {} : { limit: left }),
    },
  }
}

/** The name of its schedule. Repeatable jobs are kept under a digest, which tells people nothing: their name goes before it. */
export function scheduleName(queue: string, { id, name = '' }: Scheduler): string {
  const own = /^[0-9a-f]{32}$/.test(id) ? `${name}-${id.slice(0, 8)}` : id
  return legalName(`${queue}.${own}`)
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}
