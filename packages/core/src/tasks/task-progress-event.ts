import { defineEvent } from '../contract/define-event.ts'
import type { EventDefinition } from '../contract/event-definition.ts'
import type { StandardSchema } from '../contract/standard-schema.ts'
import type { Progress } from './progress.ts'

/** What `task.progressed` says: streams and dashboards show it. */
export interface TaskProgressed extends Progress {
  readonly id: string
  readonly name: string
  readonly queue: string
}

/** Made by this process only, so that there is nothing to check. */
const asItIs: StandardSchema<TaskProgressed, TaskProgressed> = {
  '~standard': { version: 1, vendor: 'millrace', validate: (value) => ({ value: value as TaskProgressed }) },
}

/** Published at most every 250 ms a task, in the topic `task`, with the id of the task as key. */
export const TaskProgressedEvent: EventDefinition<'task.progressed', TaskProgressed, TaskProgressed, 'task'> =
  defineEvent('task.progressed', { schema: asItIs, key: (data) => data.id })
