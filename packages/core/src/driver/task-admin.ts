import type { QueueSettings } from './queue-settings.ts'
import type { TaskRow, TaskState } from './task.ts'

/** Looking at tasks and queues and changing them, for operators: never on the hot path. */
export interface TaskAdmin {
  /** First those that have not ended, in the order of their adding; then those that have, the newest end first. */
  list(query: TaskQuery): Promise<readonly TaskRow[]>

  /** Changes tasks; ids that are gone or whose state does not allow it are skipped. Returns the ids that were changed, in the order given. */
  change(ids: readonly string[], change: TaskChange): Promise<readonly string[]>

  /** How many ready or waiting tasks of its queue come before this one by rank, up to `limit`. Undefined when it is not ready or waiting. */
  ahead(id: string, limit: number): Promise<number | undefined>

  /** Dead tasks by queue and fingerprint, for the dead letters. */
  deadCounts(query?: { readonly queue?: string }): Promise<readonly DeadTaskCount[]>

  /** The lines that a task has logged, oldest first. Kept as long as the task. */
  logs(id: string): Promise<readonly string[]>

  queues(): Promise<readonly QueueStatus[]>

  /**
   * Stores the settings of a queue if `expectedVersion` is the stored one (0: there is none yet); undefined when somebody was
   * faster. What waits at a limit that is now wider moves up at the next sweep at the latest. A bucket whose rate stays as it was is left as it is.
   */
  putQueue(queue: {
    readonly name: string
    readonly expectedVersion: number
    readonly settings: QueueSettings
    readonly note: string
  }): Promise<{ readonly version: number } | undefined>

  /** Removes a queue without tasks, ended ones included; false when it has some, or is not there. */
  removeQueue(name: string): Promise<boolean>

  /**
   * Upkeep, in a bounded step that may run in several processes at once: expires what waits past its time, removes finished tasks
   * beyond what their queue keeps (dead ones only by `keepDead`), dedupe keys past their window, empty keys and
   * tenants. `more` tells that the bound was reached.
   */
  sweep(): Promise<{ readonly removed: number; readonly expired: number; readonly more: boolean }>
}

export interface TaskQuery {
  readonly queue?: string
  readonly name?: string
  readonly states?: readonly TaskState[]
  readonly key?: string
  readonly tenant?: string
  readonly parent?: string
  readonly fingerprint?: string
  /** Bounds of the end (of the adding for what has not ended), in milliseconds since the epoch: inclusive, exclusive. */
  readonly since?: number
  readonly until?: number
  /** The id of the last one seen. */
  readonly after?: string
  readonly limit: number
}

/**
 * `cancel`: what does not run is cancelled now, what runs is asked to.
 * `run`: what is delayed (not for its rate) is due now, and its time is now at the latest; what is dead, cancelled or expired is added again
 * at the end of the order of adding, with its attempts, crashes, error, output, progress and expiry forgotten (with `body`, an edited one): it takes no dedupe key,
 * is blocked while it has pending children, and pending for its parent.
 * `prioritise`: of what does not run and has not ended: the rank changes with the head start.
 * `postpone`: what is waiting, ready or delayed (not for its rate) is due after `delayMs`, and its time is then; its place is given up, unless the key is in order.
 * `discard`: removes what has ended, unless its parent has not.
 */
export type TaskChange =
  | { readonly action: 'cancel' }
  | { readonly action: 'run'; readonly body?: string }
  | { readonly action: 'prioritise'; readonly headStartMs: number }
  | { readonly action: 'postpone'; readonly delayMs: number }
  | { readonly action: 'discard' }

export interface DeadTaskCount {
  readonly queue: string
  readonly fingerprint: string
  readonly code: string
  readonly message: string
  readonly count: number
  readonly lastFailedAt: number
}

export interface QueueStatus {
  readonly name: string
  /** 0 while nobody has stored settings. */
  readonly version: number
  readonly settings: QueueSettings
  /** Opaque to the store: what the core keeps beside the settings. */
  readonly note: string
  /** By state; what lies beyond 10,000 of one state need not be counted, and `exact` is false then. */
  readonly counts: Readonly<Record<TaskState, number>>
  readonly exact: boolean
  /** How long the ready task that has waited longest has waited, in milliseconds. */
  readonly oldestReadyMs: number | undefined
  /** Milliseconds until its rate lets one more task start: 0 when it does now. Undefined without a rate. */
  readonly nextTokenMs: number | undefined
  /** Names of definitions with ready tasks, for finding those that no worker knows. */
  readonly readyNames: readonly string[]
}
