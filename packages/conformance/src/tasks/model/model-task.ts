import type { NewTask, QueueSettings, TaskError, TaskRow, TaskState } from '@millrace/core/driver'

/**
 * What a store of tasks must do, written as simply as can be: lists that are searched and sorted each time. It has no clock:
 * delays are so long that they never end, rates so slow that no token comes back, and the time of what is added or due now is
 * read from the rows of the engine.
 */
export interface TaskModel {
  readonly tasks: ModelTask[]
  readonly queues: Map<string, ModelQueue>
  /** How many tasks were added. */
  added: number
}

/** A task as the model sees it. */
export interface ModelTask {
  readonly task: NewTask
  body: string
  headStartMs: number
  /** Counts up with the adding. */
  number: number
  /** Its rank, were it not for its head start; read from the row of the engine. */
  time: number
  state: TaskState
  attempts: number
  starts: number
  crashes: number
  worker: string | undefined
  delayedBy: TaskRow['delayedBy']
  cancelling: boolean
  pendingChildren: number
  place: boolean
  output: string | undefined
  error: TaskError | undefined
  progress: string | undefined
  log: string[]
}

export interface ModelQueue {
  readonly name: string
  settings: QueueSettings
  version: number
  /** How many tasks were started: nothing of a bucket comes back while the model runs. */
  starts: number
  readonly keyStarts: Map<string, number>
  /** The last turn by tenant and head start. */
  readonly turns: Map<string, number>
  /** The holder of each dedupe key. */
  readonly dedupe: Map<string, { readonly holder: ModelTask; readonly until: 'start' | 'end' | 'window' }>
}

export function find(model: TaskModel, id: string | undefined): ModelTask | undefined {
  return model.tasks.find(({ task }) => task.id === id)
}

export function queueOf(model: TaskModel, { task }: ModelTask): ModelQueue {
  const queue = model.queues.get(task.queue)
  if (queue === undefined) throw new Error(`The model has no queue ${task.queue}.`)
  return queue
}

export function hasEnded({ state }: ModelTask): boolean {
  return ['done', 'dead', 'cancelled', 'expired'].includes(state)
}

/** Orders tasks as they are claimed. */
export function byRank(one: ModelTask, other: ModelTask): number {
  return one.time - one.headStartMs - (other.time - other.headStartMs) || one.number - other.number
}

export function byAdding(one: ModelTask, other: ModelTask): number {
  return one.number - other.number
}
