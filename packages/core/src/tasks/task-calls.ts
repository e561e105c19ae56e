import type { EnqueueInTransaction, EnqueueManyOptions, EnqueueOptions } from './enqueue-options.ts'
import type { QueueOperations } from './queue-operations.ts'
import type { ScheduleOperations } from './schedule-operations.ts'
import type { AnyTaskDefinition, TaskData, TaskInput, TaskOutput, TaskReturned } from './task-definition.ts'
import type { TaskFlow } from './task-flow.ts'
import type { TaskHandle } from './task-handle.ts'
import type { BatchHandler, PooledHandler, TaskHandler } from './task-handler.ts'
import type { TaskOperations } from './task-operations.ts'
import type { BatchOptions, Worker, WorkOptions } from './worker.ts'

/** What a backbone does with tasks. Throws `capability_missing` where the engine keeps none. */
export interface TaskCalls {
  /**
   * Adds a task. Throws `task_input_invalid` (with the path), `event_not_json`, `event_forbidden_key`, `limit_exceeded`, `task_options_invalid`;
   * `publish_unknown` when it is not known to be stored (send the same id again), `publish_backpressure`, `engine_*`, and with `tx`
   * `transaction_invalid`.
   *
   * @example
   * const handle = await millrace.enqueue(BuildReport, { month: '2026-01' }, { priority: 'high' })
   * const { url } = await handle.result({ timeout: 60_000 })
   */
  enqueue<Definition extends AnyTaskDefinition>(
    task: Definition,
    ...given: undefined extends TaskInput<Definition>
      ? [input?: TaskInput<Definition>, options?: EnqueueOptions | EnqueueInTransaction]
      : [input: TaskInput<Definition>, options?: EnqueueOptions | EnqueueInTransaction]
  ): Promise<TaskHandle<TaskOutput<Definition>>>
  /** Adds many, all or none of each 500 (or about 1 MiB); a handle each, in order. Throws as `enqueue`, before anything is sent if an input is wrong. */
  enqueueMany<Definition extends AnyTaskDefinition>(
    task: Definition,
    inputs: readonly TaskInput<Definition>[],
    options?: EnqueueManyOptions,
  ): Promise<readonly TaskHandle<TaskOutput<Definition>>[]>
  /** Adds a tree of at most 1,000 tasks, all or none: each runs when its children have ended. Gives the handle of its root. */
  enqueueFlow<Definition extends AnyTaskDefinition>(
    flow: TaskFlow<Definition>,
  ): Promise<TaskHandle<TaskOutput<Definition>>>

  /** Runs batches of tasks in this process. */
  work<Definition extends AnyTaskDefinition>(
    task: Definition,
    handler: BatchHandler<TaskData<Definition>, TaskReturned<Definition>>,
    options: WorkOptions & { readonly batch: BatchOptions },
  ): Promise<Worker>
  /** Runs tasks in this process. A definition has one worker in a process. Throws `task_options_invalid`, `task_definition_invalid`, `engine_*`. */
  work<Definition extends AnyTaskDefinition>(
    task: Definition,
    handler:
      | TaskHandler<TaskData<Definition>, TaskReturned<Definition>>
      | PooledHandler<TaskData<Definition>, TaskReturned<Definition>>,
    options?: WorkOptions & { readonly batch?: undefined },
  ): Promise<Worker>

  readonly tasks: TaskOperations
  readonly queues: QueueOperations
  readonly schedules: ScheduleOperations
}
