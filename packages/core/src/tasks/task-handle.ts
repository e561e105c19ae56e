/** A task that was added, or the one that holds its dedupe key. */
export interface TaskHandle<Output = unknown> {
  readonly id: string
  /** Whether it was not added, because another one holds its dedupe key. */
  readonly deduplicated: boolean
  /**
   * Resolves with the output when the task is done. Throws `task_failed` (or the code of its end: `task_rejected`, `task_timeout`,
   * `task_cancelled`, `task_expired`, `task_child_failed`, `task_killed_worker`, `task_output_invalid`), `task_unknown` when it is
   * not kept any more, `wait_timeout`, `aborted`.
   */
  result(options?: ResultOptions): Promise<Output>
}

export interface ResultOptions {
  /** Milliseconds. Default 30,000; 0 is without limit. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}
