import type { TaskState } from '../driver/task.ts'
import type { Selection } from '../runtime/selection.ts'
import type { EnqueueOptions } from './enqueue-options.ts'
import type { Priority } from './priority.ts'
import type { Progress } from './progress.ts'
import type { AnyTaskDefinition } from './task-definition.ts'
import type { TaskExplanation } from './task-explanation.ts'
import type { ResultOptions, TaskHandle } from './task-handle.ts'
import type { TaskView } from './task-view.ts'

/** Which tasks. Several conditions must all hold. */
export interface TaskFilter {
  readonly queue?: string
  readonly name?: string
  readonly states?: readonly TaskState[]
  readonly key?: string
  readonly tenant?: string
  readonly parent?: string
  readonly fingerprint?: string
  /** Bounds of the end, or of the adding for what has not ended. */
  readonly since?: Date
  readonly until?: Date
  /** The id of the last one seen. */
  readonly after?: string
  /** Default 100, at most 1,000 (of a list; an action takes all that match unless it is given). */
  readonly limit?: number
}

/** What was done to tasks, or would be. */
export interface TaskAction {
  readonly ids: readonly string[]
  readonly dryRun: boolean
}

export interface ActionOptions {
  readonly dryRun?: boolean
}

/** Options of `add`: those of `enqueue`, and the queue of a task whose definition this process does not know. */
export interface AddOptions extends EnqueueOptions {
  readonly queue?: string
}

/** A worker process. */
export interface WorkerInfo {
  readonly worker: string
  /** For people: name of the service and process id. */
  readonly label: string
  /** The names that it works on. */
  readonly tasks: readonly string[]
}

/** Looking at tasks and changing them; for tools and operators. Every call opens the engine first. */
export interface TaskOperations {
  /** Definitions that this process knows. */
  readonly definitions: readonly AnyTaskDefinition[]
  /**
   * Adds a task by name, for tools: by its definition if this process knows it, else unchecked (its worker checks the input) in the queue
   * given or that of its name. Throws as `enqueue`.
   */
  add(name: string, input: unknown, options?: AddOptions): Promise<TaskHandle>
  /** Throws `task_unknown`. */
  get(id: string): Promise<TaskView>
  /** Oldest first among those that have not ended, newest first among those that have. */
  list(filter?: TaskFilter): Promise<readonly TaskView[]>
  /** Cancels what has not started; asks what runs to stop, by its signal. */
  cancel(what: Selection<TaskFilter>, options?: ActionOptions): Promise<TaskAction>
  /** Makes due what is delayed; adds again what is dead, cancelled or expired, its attempts forgotten. */
  retry(what: Selection<TaskFilter>, options?: ActionOptions): Promise<TaskAction>
  /** Of what has not started. */
  prioritise(what: Selection<TaskFilter>, priority: Priority, options?: ActionOptions): Promise<TaskAction>
  /** `delay` milliseconds from now; of what has not started. */
  postpone(what: Selection<TaskFilter>, delay: number, options?: ActionOptions): Promise<TaskAction>
  /** Removes what has ended. */
  discard(what: Selection<TaskFilter>, options?: ActionOptions): Promise<TaskAction>
  /** Why it waits. Throws `task_unknown`. */
  explain(id: string): Promise<TaskExplanation>
  /** The lines that it has logged, oldest first. Throws `task_unknown`. */
  logs(id: string): Promise<readonly string[]>
  /** Throws `task_unknown`. */
  progress(id: string): Promise<Progress | undefined>
  /** Waits for the end, as the handle does. */
  result(id: string, options?: ResultOptions): Promise<unknown>
  /** The task each time that it has changed, until it has ended. Throws `task_unknown`. */
  follow(id: string, options?: { readonly signal?: AbortSignal }): AsyncIterable<TaskView>
  /** Worker processes that live, with what they work on. */
  workers(): Promise<readonly WorkerInfo[]>
}
