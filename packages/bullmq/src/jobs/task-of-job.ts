import { isMillraceError, type AddOptions, type Dedupe } from '@millrace/core'
import type { BullJob, WaitingJob } from './job.ts'
import type { Names } from './names.ts'
import { priorityFrom } from './priority.ts'
import { retriesOf } from './retries.ts'
import { taskIdOf } from './task-id.ts'

/** What a job becomes. */
export interface TaskOfJob {
  readonly name: string
  readonly input: unknown
  readonly options: AddOptions
}

/** Why a job stays in BullMQ: a word for programs, a sentence for people. */
export interface Refusal {
  readonly reason: RefusalReason
  readonly text: string
}

export type RefusalReason = keyof typeof REFUSALS

/** What is said of all jobs that are refused for a reason. */
export const REFUSALS = {
  parent: 'waits for children, or has results of children, that only BullMQ can hand over; it ends there',
  child: 'is awaited by a parent in BullMQ; it ends there',
  failing: 'is about to be failed by BullMQ, since a child of it failed',
  scheduler: 'is the next run of a scheduler that stays in BullMQ',
  name: 'has a name that no task can have; give it one',
  data: 'has data that a task cannot have',
  taken: 'has an id that a task has already; move it without keeping ids',
  gone: 'was taken by a worker of BullMQ in the meantime',
  unreadable: 'is not a job of BullMQ 5 or 6',
} as const

/** What mapping needs to know beside the job. */
export interface MappingRules {
  /** Of BullMQ. */
  readonly queue: string
  /** Ours. */
  readonly toQueue: string
  readonly names: Names
  /** Whether tasks keep the ids of their jobs. */
  readonly keepIds: boolean
}

/** The task of a job, due as it is at `now` (milliseconds since the epoch). */
export function taskOfJob({ job, dueAt }: WaitingJob, rules: MappingRules, now: number): TaskOfJob | Refusal {
  const name = rules.names.of(job.name)
  if ('because' in name) return { reason: 'name', text: name.because }
  let input: unknown
  try {
    input = JSON.parse(job.data)
  } catch {
    return { reason: 'data', text: `the data of job ${shown(job.id)} is not JSON` }
  }
  return {
    name: name.task,
    input,
    options: {
      id: rules.keepIds ? job.id : taskIdOf(rules.queue, job),
      queue: rules.toQueue,
      delay: dueAt === undefined ? 0 : Math.max(0, dueAt - now),
      priority: priorityFrom(job.priority),
      dedupe: dedupeOf(job),
      ...retriesOf(job),
    },
  }
}

/** A failed mapping as a refusal; other errors are thrown on. */
export function refusalOf(error: unknown, id: string): Refusal {
  if (!isMillraceError(error)) throw error
  const reason = error.code === 'event_name_invalid' ? 'name' : DATA_CODES.has(error.code) ? 'data' : undefined
  if (reason === undefined) throw error
  return { reason, text: `job ${shown(id)}: ${error.message}` }
}

const DATA_CODES: ReadonlySet<string> = new Set([
  'task_input_invalid',
  'task_options_invalid',
  'event_not_json',
  'event_forbidden_key',
  'limit_exceeded',
])

/**
 * Only a job that holds its key hands it over: one whose key has expired, or was taken over, has none to give. Where a task of ours holds it
 * already, that stays, as it would in BullMQ.
 */
function dedupeOf({ deduplication }: BullJob): Dedupe | false {
  if (deduplication === undefined) return false
  const { id, leftMs } = deduplication
  return { key: id, ...(leftMs === undefined ? { until: 'end' } : { window: leftMs }) }
}

function shown(id: string): string {
  return JSON.stringify(id.slice(0, 80))
}
