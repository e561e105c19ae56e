import type { TaskState } from '../driver/task.ts'
import type { QueueOptions } from './queue-definition.ts'

/** A queue as tools see it. */
export interface QueueView {
  readonly name: string
  readonly paused: boolean
  /** What holds: what an operator has set, else what code declares, else the defaults. */
  readonly settings: QueueOptions
  /** What code declares. */
  readonly declared: QueueOptions
  /** What an operator has set; it holds until it is taken back with `restore`. */
  readonly overridden: QueueOptions
  /** By state; `exact` is false when there are more than were counted. */
  readonly counts: Readonly<Record<TaskState, number>>
  readonly exact: boolean
  /** How many of `counts` have not ended and do not run: what `maxWaiting` bounds. */
  readonly waiting: number
  /** Nothing more is added to it now, by its `maxWaiting`. */
  readonly full: boolean
  /** Milliseconds that the ready task has waited that has waited longest. */
  readonly oldestReadyMs: number | undefined
  /** Names of ready tasks that no living worker takes from this queue. */
  readonly withoutWorker: readonly string[]
}

/** Looking at queues and changing them. Every call opens the engine first. */
export interface QueueOperations {
  list(): Promise<readonly QueueView[]>
  /** Throws `queue_unknown`. */
  get(name: string): Promise<QueueView>
  /** Nothing of it is started any more, in any process; what runs goes on. Throws `queue_unknown`. */
  pause(name: string): Promise<QueueView>
  resume(name: string): Promise<QueueView>
  /** Overrides what code declares. Throws `queue_unknown`, `task_definition_invalid`. */
  change(name: string, options: QueueOptions): Promise<QueueView>
  /** Takes overrides back: those named, or all. Throws `queue_unknown`. */
  restore(name: string, options?: readonly (keyof QueueOptions)[]): Promise<QueueView>
  /** Throws `queue_not_empty`, `queue_unknown`. */
  remove(name: string): Promise<void>
}
