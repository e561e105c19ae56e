import type { Reject, RetryLater } from '../bus/handler.ts'
import type { EventMetadata } from '../contract/event.ts'
import type { ProgressReport } from './progress.ts'
import type { ChildResult } from './task-flow.ts'

/** What travels beside the input: the flow that the task belongs to. */
export type TaskMetadata = Partial<EventMetadata> & Pick<EventMetadata, 'correlationId'>

/** What a handler knows beside the input. Made only as far as it is looked at. */
export interface TaskContext {
  readonly id: string
  readonly name: string
  readonly queue: string
  readonly key: string | undefined
  readonly tenant: string | undefined
  /** 1 for the first; a worker that died with the task counts as none. */
  readonly attempt: number
  readonly metadata: TaskMetadata
  /** Milliseconds since the task was added. */
  readonly ageMs: number
  /** Fires when its time is up, it is cancelled, its worker stops and the time for that is up, or the task was taken from this worker. */
  readonly signal: AbortSignal
  /** Says how far the task is; as often as you like. What makes no sense is put right or left out, and never fails the task. */
  progress(report: ProgressReport): void
  /** Adds a line to the log of the task, which keeps the last 1,000 (of 4,096 characters at most). */
  log(line: string): void
  /** How its children have ended, in the order of the flow. */
  children(): Promise<readonly ChildResult[]>
  /** Return this to be given the task again after so many milliseconds; counts as an attempt. */
  retry(options: { readonly after: number }): RetryLater
  /** Return this when no attempt could succeed: the task is dead at once. */
  reject(reason: string): Reject
}

/** Does a task. What it returns is the output; what it throws fails the attempt. */
export type TaskHandler<Data = unknown, Returned = unknown> = (
  input: Data,
  task: TaskContext,
) => Returned | RetryLater | Reject | Promise<Returned | RetryLater | Reject>

/** A handler that owns threads or processes: it says how many tasks it can do at once and is disposed of when its worker has stopped. */
export interface PooledHandler<Data = unknown, Returned = unknown> {
  (input: Data, task: TaskContext): Returned | RetryLater | Reject | Promise<Returned | RetryLater | Reject>
  /** The default concurrency of its worker. */
  readonly concurrency?: number
  [Symbol.asyncDispose]?(): Promise<void>
}

/** One task of a batch. */
export interface BatchedTask<Data = unknown> extends TaskContext {
  readonly input: Data
}

/** What became of one task of a batch: `done(output)`, `retry`, `reject`, or a promise of it, which fails it alone when it is rejected. */
export type BatchResult<Returned = unknown> =
  | Done<Returned>
  | RetryLater
  | Reject
  | PromiseLike<Done<Returned> | RetryLater | Reject>

export interface Done<Returned = unknown> {
  readonly outcome: 'done'
  readonly output: Returned
}

/** One task of a batch is done. */
export function done<Returned = undefined>(output?: Returned): Done<Returned> {
  return { outcome: 'done', output: output as Returned }
}

/** Does many tasks at once; gives a result for each, in their order. What it throws fails all of them. */
export type BatchHandler<Data = unknown, Returned = unknown> = (
  tasks: readonly BatchedTask<Data>[],
  signal: AbortSignal,
) => readonly BatchResult<Returned>[] | Promise<readonly BatchResult<Returned>[]>
