/** Options of `work`. */
export interface WorkOptions {
  /** How many handlers run at once in this process. Default 10; with batches, how many batches. */
  readonly concurrency?: number
  /** Hands over up to `size` tasks together; a smaller batch waits up to `waitMs` (default 50) for more. */
  readonly batch?: BatchOptions
}

export interface BatchOptions {
  readonly size: number
  readonly waitMs?: number
}

/** Runs the tasks of one definition in this process. */
export interface Worker {
  /** The name of the definition. */
  readonly task: string
  readonly queue: string
  readonly status: WorkerStatus
  /** Takes nothing new; what runs goes on. */
  pause(): void
  resume(): void
  /** Changes how many handlers run at once, from now on. */
  setConcurrency(concurrency: number): void
  /** Takes nothing new, gives back what has not begun, lets handlers finish for at most `timeoutMs` (default 10,000), then gives back theirs too. */
  stop(options?: { readonly timeoutMs?: number }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface WorkerStatus {
  readonly state: 'running' | 'paused' | 'stopping' | 'stopped'
  readonly concurrency: number
  /** Handlers that run; a batch counts as one. */
  readonly running: number
  /** Tasks that are claimed and have not begun. */
  readonly buffered: number
  /** Handlers that were given up when their time was up, and have not come back since. */
  readonly abandoned: number
  /** The share of its handlers that were busy of late, from 0 to 1. */
  readonly utilisation: number
  /** Smoothed milliseconds that tasks waited in the queue before they were claimed. */
  readonly queueWaitMs: number
  readonly done: number
  readonly failed: number
  /** Milliseconds for which handlers ran that have ended, all together. */
  readonly tookMs: number
}
