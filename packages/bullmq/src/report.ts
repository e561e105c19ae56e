import type { Survey } from './queue/survey.ts'
import type { RefusalReason } from './jobs/task-of-job.ts'

/** What was moved out of a queue of BullMQ, or would be. */
export interface ImportReport {
  /** Of BullMQ. */
  readonly queue: string
  readonly dryRun: boolean
  /** What was there at the beginning. */
  readonly before: Survey
  /** What is there at the end; of a dry run the same as before. */
  readonly after: Survey
  /** Jobs that are tasks now, or would be: by where they waited. */
  readonly moved: Readonly<Record<'wait' | 'paused' | 'prioritized' | 'delayed', number>>
  /** Of these, jobs that a bridge held that did not come to its end. */
  readonly resumed: number
  /** Of these, jobs for which no task was added, since one of ours holds their deduplication key. */
  readonly deduplicated: number
  readonly schedules: readonly MovedSchedule[]
  /** What stays in BullMQ, by reason. */
  readonly refused: readonly RefusedJobs[]
  /** What the names of jobs become, with how many jobs have them. */
  readonly names: readonly MovedName[]
  /** The first jobs of each name, as they would be added; without their data. */
  readonly samples: readonly Sample[]
  /** What people should know before they rely on it. */
  readonly notes: readonly string[]
}

/** A scheduler that is a schedule now, or would be. */
export interface MovedSchedule {
  readonly scheduler: string
  /** Undefined when nothing comes after its pending run. */
  readonly schedule: string | undefined
  readonly task: string | undefined
  /** `0 3 * * * (Europe/Berlin)`, `every 60000 ms`. */
  readonly rule: string | undefined
}

/** Jobs or schedulers that stay in BullMQ. */
export interface RefusedJobs {
  readonly reason: RefusalReason | 'schedule'
  readonly count: number
  /** The first one's, in words. */
  readonly text: string
  /** Ids of the first few. */
  readonly ids: readonly string[]
}

export interface MovedName {
  /** Of BullMQ. */
  readonly name: string
  readonly task: string
  readonly queue: string
  readonly count: number
}

export interface Sample {
  readonly job: string
  readonly task: string
  readonly id: string
  readonly queue: string
  readonly priority: number
  readonly delayMs: number
  readonly attempts: number
}
