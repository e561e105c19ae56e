import type { ChildOutcome, NewTask, TaskError, TaskRow } from './task.ts'

/**
 * Tasks in queues: work that one worker at a time does, each claimed by one and settled under the claim. The core decides
 * (when to retry, what is dead, what a handler may still do); a store keeps states and order, and moves many at once.
 *
 * ```
 *  blocked -> delayed -> waiting -> ready -> running -> done | dead | cancelled | expired
 * (children)  (due)     (its key)                 `-> delayed | ready again (retry, release) or suspect (its worker died)
 * ```
 *
 * **Order.** The ready tasks of a queue are claimed by `rank`, lowest first, then in the order of their adding. The rank is set when
 * the task is added and stays: the time of the engine at which it is first due, minus its `headStartMs`. A task of higher
 * priority is thus one that came earlier: it passes what came up to its head start before it, and what waits
 * longer than all head starts is passed by nothing. In a queue with `fairMs`, tenants take turns whatever one of them piles up: the
 * time of a task that has a tenant is at least its turn, which is `fairMs` after the turn of the task of the same tenant and head start
 * that was added before it, and never before its adding.
 *
 * **Keys.** At most `key.concurrency` tasks of one queue and key are ready or running (or held for their rate); the others
 * wait. When a place is free, the waiting one with the lowest rank takes it; with `key.order` the one that was added
 * first, whatever its head start. A task that is delayed, or waits for its retry, holds no place and waits anew; with `key.order` a task that has
 * taken its place keeps it until it has ended, so that nothing of its key passes it across its retries. What one call does happens at
 * one moment: tasks are added, settled or made due first, then the free places are given. What is due at once is ready
 * or waiting when the call returns.
 *
 * **Rates** are token buckets of `limit` tokens that fill up within `perMs`; each start takes one. A queue that is out of
 * tokens gives nothing to a claim. At most as many tasks of a key are ready as it has tokens; one more is held until its token is there
 * (state `delayed`, by `rate`), the others of the key wait: so no claim ever looks at what cannot run, and a key that nobody claimed for long
 * starts no more than `limit` at once. What is held stays so until its token was to come, also when a ready one is cancelled meanwhile. A suspect starts without a token of its key and takes it as a debt. A bucket begins full.
 *
 * **Suspects.** What has crashes becomes `suspect` wherever another task would become ready, until it has ended or is added again.
 *
 * **Flows.** A parent is blocked until its children have ended. When it ends before (cancelled, expired, dead by a child),
 * what is left of its children is cancelled, down the tree. An ended child is kept until its parent has ended.
 *
 * No clock of a caller is compared with the engine's: delays go in and out as durations.
 */
export interface TaskStore {
  /**
   * Adds tasks, all or nothing, one result each in order. A task whose id is there already, in any state, is left as it is
   * and answered `stored` (a resend), or `taken` when name or body are others. `dedupe` may answer `duplicate`. Queues that are not
   * there are made with default settings.
   *
   * A queue that holds `maxWaiting` tasks that have not ended and do not run takes no new ones: they are answered `full`. The tasks of one call are let
   * in in their order; a flow comes as a whole, as long as each of its queues has some room, or not at all. A queue may hold more by the rest of a flow, by what
   * other calls are adding, and where an engine has no exact counts and the bound is above 1,000, by a tenth.
   * Throws `engine_*`; when they may have been added all the same it throws `publish_unknown` (see `addingUnknown`), and the caller sends the same again.
   * That an engine is away is said within `ENQUEUE_PATIENCE_MS` where nothing was sent, so that callers can do something else.
   */
  enqueue(tasks: readonly NewTask[]): Promise<readonly EnqueueOutcome[]>

  /** Those of the queues that take no more tasks, by their `maxWaiting`. */
  full(queues: readonly string[]): Promise<readonly string[]>

  /** Adds tasks inside the caller's open transaction, as `enqueue`. Only on SQL engines. Throws `transaction_invalid`. */
  readonly append?: (tx: object, tasks: readonly NewTask[]) => Promise<readonly EnqueueOutcome[]>

  /**
   * What a worker does all the time, in one round trip and one transaction: notes progress, settles what it has finished, then
   * claims; the claims see the places that the settles have freed. A settle counts only while the task runs under this very claim
   * (`worker` and `starts`): otherwise it is `fenced` and changes nothing. A claim first makes due what is due, and takes `suspect` tasks,
   * at most `suspects` of them, then ready ones. It never takes what has expired.
   */
  exchange(request: TaskExchange): Promise<TaskExchanged>

  /** Workers that hold tasks. A worker that is no living member any more is reclaimed. */
  holders(): Promise<readonly string[]>

  /** What runs under claims of a worker, in no certain order. */
  running(worker: string): Promise<readonly { readonly id: string; readonly starts: number }[]>

  /**
   * Takes the tasks of a worker that is gone, at most 1,000 a call: each has one crash more and becomes `suspect`, or `dead` with
   * `error` when it has `deadAfterCrashes`; one that was asked to cancel is `cancelled`. Returns how many were taken; 0 when
   * nothing is left, and then the worker is no holder any more. From here on every settle of that worker is fenced.
   */
  reclaim(request: {
    readonly worker: string
    readonly deadAfterCrashes: number
    readonly error: TaskError
  }): Promise<number>

  /** Tasks by id, in the order of the ids, in any state, with input and output; those that are gone are left out. */
  get(ids: readonly string[]): Promise<readonly TaskRow[]>

  /** How the children of a task have ended so far, in the order of the flow. */
  outcomes(parent: string): Promise<readonly ChildOutcome[]>

  /**
   * Calls the listener when tasks of queues may have become claimable, cancelled or finished by another process: a hint, that may be lost
   * or come for nothing. Absent where the engine has no way to tell.
   */
  readonly listen?: (listener: (queues: readonly string[]) => void) => TaskHints
}

/** Milliseconds that an adding waits for an engine that is away. */
export const ENQUEUE_PATIENCE_MS = 500

/**
 * `duplicate`: not added; `id` is that of the holder of the dedupe key. `taken`: not added; the id is there with this name and this body,
 * which are not, letter by letter, those of the new task. Whether both are the same work is for the caller to see. `full`: not added, the queue is
 * full, or that of another task of its flow.
 */
export type EnqueueOutcome =
  | { readonly outcome: 'stored' | 'duplicate'; readonly id: string }
  | { readonly outcome: 'taken'; readonly id: string; readonly name: string; readonly body: string }
  | { readonly outcome: 'full'; readonly id: string }

export interface TaskExchange {
  /** A member of the group of workers, see `LeaseStore.join`. */
  readonly worker: string
  readonly settles: readonly TaskSettle[]
  readonly notes: readonly TaskNote[]
  readonly claims: readonly TaskClaim[]
}

export interface TaskClaim {
  readonly queue: string
  readonly names: readonly string[]
  readonly limit: number
  /** How many suspects may be among them: 0 or 1. */
  readonly suspects: number
}

/** The end of a claim. */
export interface TaskSettle {
  readonly id: string
  readonly starts: number
  /**
   * `done` and the other ends are final. `retry`: one attempt more is counted, due after `delayMs`. `release`: given back as if never
   * claimed, due after `delayMs`. Both wait anew for a place of their key, unless it is in order. What was asked to cancel is `cancelled` instead.
   */
  readonly as: 'done' | 'dead' | 'cancelled' | 'expired' | 'retry' | 'release'
  readonly delayMs: number
  /** JSON, of what is done. */
  readonly output: string | undefined
  /** Undefined leaves the failure before. */
  readonly error: TaskError | undefined
}

/** What a running task says of itself; ignored when the claim has ended. */
export interface TaskNote {
  readonly id: string
  readonly starts: number
  /** JSON; replaces the one before. */
  readonly progress: string | undefined
  /** Lines to add; a task keeps its last 1,000. */
  readonly log: readonly string[]
}

export interface TaskExchanged {
  /** One for each settle, in order. */
  readonly settled: readonly ('settled' | 'fenced')[]
  /** One for each claim, in order. */
  readonly claimed: readonly ClaimedTasks[]
  /** Running tasks of this worker that somebody wants cancelled, each time until they are settled. */
  readonly cancel: readonly string[]
}

export interface ClaimedTasks {
  readonly tasks: readonly ClaimedTask[]
  /**
   * Milliseconds until a claim could give more without anything being added or settled: the next delayed task, or a token of
   * the queue. 0 when more is ready now. Undefined when nothing is known to come, the queue is paused or all runs that may.
   */
  readonly nextMs: number | undefined
}

export interface ClaimedTask {
  readonly id: string
  readonly queue: string
  readonly name: string
  readonly body: string
  readonly key: string | undefined
  readonly tenant: string | undefined
  /** Counts the claims; with the worker the fence of this one. */
  readonly starts: number
  /** Failed attempts before this one. */
  readonly attempts: number
  /** Workers that died with it. */
  readonly crashes: number
  /** Since it was added. */
  readonly ageMs: number
  /** Since it could have been claimed: the wait of the queue. */
  readonly waitedMs: number
  /** Undefined when it does not expire. */
  readonly expiresInMs: number | undefined
  readonly hasChildren: boolean
}

/** The listening to hints. */
export interface TaskHints {
  /** Whether hints were seen to arrive; while they do not, work is looked for more often. */
  readonly arriving: boolean
  stop(): void
}
