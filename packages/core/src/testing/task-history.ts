import type { EnqueueOutcome, TaskSettle } from '../driver/task-store.ts'
import type { TaskDedupe, TaskState } from '../driver/task.ts'

/** A task as the store was asked to add it. */
export interface AddedTask {
  readonly id: string
  readonly queue: string
  readonly name: string
  readonly key: string | undefined
  readonly delayMs: number
  readonly expires: boolean
  readonly dedupe: Pick<TaskDedupe, 'key' | 'mode' | 'until'> | undefined
  readonly parent: string | undefined
  readonly failFast: boolean
  /** The schedule that adds it, with the instant (RFC 3339). */
  readonly schedule: ScheduledAt | undefined
}

export interface ScheduledAt {
  readonly name: string
  readonly at: string
}

/** A claim as the store has answered it. */
export interface ClaimedEntry {
  readonly id: string
  readonly queue: string
  readonly key: string | undefined
  readonly starts: number
  readonly attempts: number
  readonly crashes: number
}

export type TaskRunOutcome = 'done' | 'retry' | 'throw' | 'reject'

/** `call` and `run` are unique within the process. `info` means that the outcome is unknown. */
export type TaskEntry =
  /** A call of the application; what is acknowledged to it is there. */
  | { readonly kind: 'enqueue'; readonly phase: 'invoke'; readonly call: number; readonly ids: readonly string[] }
  | { readonly kind: 'enqueue'; readonly phase: 'ok'; readonly call: number; readonly ids: readonly string[] }
  | { readonly kind: 'enqueue'; readonly phase: 'fail' | 'info'; readonly call: number; readonly code: string }
  /** A run of a handler. */
  | {
      readonly kind: 'task-run'
      readonly phase: 'start'
      readonly run: number
      readonly id: string
      readonly attempt: number
    }
  | { readonly kind: 'task-run'; readonly phase: 'end'; readonly run: number; readonly outcome: TaskRunOutcome }
  /** What the ports were asked. */
  | { readonly kind: 'add'; readonly phase: 'invoke'; readonly call: number; readonly tasks: readonly AddedTask[] }
  | {
      readonly kind: 'add'
      readonly phase: 'ok'
      readonly call: number
      readonly outcomes: readonly EnqueueOutcome[]
    }
  | {
      readonly kind: 'exchange'
      readonly phase: 'invoke'
      readonly call: number
      readonly worker: string
      readonly settles: readonly Pick<TaskSettle, 'id' | 'starts' | 'as'>[]
    }
  | {
      readonly kind: 'exchange'
      readonly phase: 'ok'
      readonly call: number
      readonly settled: readonly ('settled' | 'fenced')[]
      readonly claimed: readonly ClaimedEntry[]
    }
  | { readonly kind: 'reclaim'; readonly phase: 'invoke'; readonly call: number; readonly worker: string }
  | { readonly kind: 'reclaim'; readonly phase: 'ok'; readonly call: number; readonly count: number }
  | { readonly kind: 'cancel'; readonly phase: 'invoke'; readonly call: number; readonly ids: readonly string[] }
  | { readonly kind: 'cancel'; readonly phase: 'ok'; readonly call: number; readonly ids: readonly string[] }
  | { readonly kind: 'fire'; readonly phase: 'invoke'; readonly call: number; readonly tasks: readonly AddedTask[] }
  | { readonly kind: 'fire'; readonly phase: 'ok'; readonly call: number; readonly won: boolean }

/** What the engine holds of tasks when all is over. */
export interface FinalTask {
  readonly id: string
  readonly name: string
  readonly state: TaskState
  readonly attempts: number
  readonly starts: number
  readonly crashes: number
  readonly parent: string | undefined
  /** Code of the last failure. */
  readonly code: string | undefined
  /** The run that made its output, as `<process> <run>`. */
  readonly doneBy: string | undefined
  readonly schedule: ScheduledAt | undefined
}

/** What the application has declared, and what its engine may forget. */
export interface TaskRules {
  readonly queues: Readonly<Record<string, QueueRules>>
  /** Attempts allowed, by name of the task. */
  readonly attempts: Readonly<Record<string, number>>
  /** Schedules of which each instant adds a task, with the milliseconds between two. */
  readonly schedules: Readonly<Record<string, number>>
  /** Milliseconds of answered settles and claims that a server which dies may forget; 0 where it forgets none. */
  readonly forgetsMs: number
}

export interface QueueRules {
  readonly concurrency?: number
  readonly key?: { readonly order?: boolean; readonly concurrency?: number }
}
