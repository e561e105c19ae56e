import type { ClaimedTask } from '../driver/task-store.ts'
import type { ProgressState } from './progress-state.ts'
import { resolveBackoff, type ResolvedRetries } from './retries.ts'
import type { TaskBody } from './task-body.ts'
import type { AnyTaskDefinition } from './task-definition.ts'

/** A task that this process has claimed and not settled yet. */
export interface HeldTask {
  readonly task: ClaimedTask
  readonly definition: AnyTaskDefinition
  /** The member under whose name it was claimed: with the starts its fence. */
  readonly worker: string
  /** On the monotonic clock, in milliseconds. */
  readonly claimedAt: number
  startedAt: number
  /** Its place among what runs; -1 while it does not. */
  slot: number
  /** Nothing that its handler does from now on counts. */
  ended: boolean
  cancelled: boolean
  /** Made when the handler asks for its signal. */
  controller: AbortController | undefined
  /** Why it ended before its handler did. */
  endReason: unknown
  /** Of the handler that runs it together with others. */
  batch: RunningBatch | undefined
  body: TaskBody | undefined
  progress: ProgressState | undefined
  logs: string[] | undefined
  /** Whether progress or logs have to be sent. */
  noted: boolean
}

/** Tasks whose handler was called once for all of them. */
export interface RunningBatch {
  left: number
  readonly controller: AbortController
}

export function holdTask(
  task: ClaimedTask,
  {
    definition,
    worker,
    now,
  }: { readonly definition: AnyTaskDefinition; readonly worker: string; readonly now: number },
): HeldTask {
  return {
    task,
    definition,
    worker,
    claimedAt: now,
    startedAt: 0,
    slot: -1,
    ended: false,
    cancelled: false,
    controller: undefined,
    endReason: undefined,
    batch: undefined,
    body: undefined,
    progress: undefined,
    logs: undefined,
    noted: false,
  }
}

/** Ends a held task for its handler: whatever that returns is not looked at any more. */
export function endHeld(held: HeldTask, reason: unknown): void {
  held.ended = true
  held.endReason = reason
  held.controller?.abort(reason)
}

/** Rules of a task that brings its own win over those of its definition. */
export function retriesOf({ body, definition }: HeldTask): ResolvedRetries {
  if (body === undefined || (body.attempts === undefined && body.backoff === undefined)) return definition.retries
  const { attempts = definition.retries.attempts, backoff } = body
  const delayMs = backoff === undefined ? definition.retries.delayMs : resolveBackoff(backoff)
  return { attempts, delayMs, retryIf: definition.retries.retryIf }
}
