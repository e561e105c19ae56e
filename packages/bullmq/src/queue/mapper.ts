import type { NewTask } from '@millrace/core/driver'
import type { Prepare } from '../jobs/prepare.ts'
import type { WaitingJob } from '../jobs/job.ts'
import { refusalOf, taskOfJob, type MappingRules, type Refusal, type TaskOfJob } from '../jobs/task-of-job.ts'
import type { Commands } from '../redis/connect.ts'

/** A job with the task that it becomes. */
export interface Mapped {
  readonly task: TaskOfJob
  readonly stored: NewTask
}

/** Maps jobs by the rules of one import, with the time of the server of the queue. */
export interface Mapper {
  /** Asks the server for its time: what is delayed is due by it from here on. */
  tick(): Promise<void>
  map(waiting: WaitingJob): Mapped | Refusal
}

/** A mapper that has not asked for the time yet. */
export function createMapper(commands: Commands, rules: MappingRules, prepare: Prepare): Mapper {
  let now = 0
  return {
    async tick() {
      const [seconds = '0', micros = '0'] = (await commands.call('TIME')) as readonly string[]
      now = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
    },
    map(waiting) {
      const task = taskOfJob(waiting, rules, now)
      if ('reason' in task) return task
      try {
        return { task, stored: prepare(task) }
      } catch (error) {
        return refusalOf(error, waiting.job.id)
      }
    },
  }
}
