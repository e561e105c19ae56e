/** A token bucket: at most `limit` starts at once, and `limit` in every `per` milliseconds. */
export interface Rate {
  readonly limit: number
  readonly per: number
}

/** How much is kept of ended tasks; each bound holds. What is left out has its default. */
export interface Keep {
  /** Milliseconds. Default a day; for dead tasks 30 days. */
  readonly age?: number
  /** Default 10,000; for dead tasks 100,000. */
  readonly count?: number
  /** Default 64 MiB; for dead tasks 256 MiB. */
  readonly bytes?: number
}

/** How a queue lets its tasks run. Every limit holds over all processes. */
export interface QueueOptions {
  /** How many tasks may run at once. Default: no limit beside that of the workers. */
  readonly concurrency?: number
  readonly rateLimit?: Rate
  /**
   * How many tasks may wait: all that have not ended and do not run, delayed ones and parents included. To a full queue nothing more is
   * added: `enqueue` throws `queue_full`. Default: no bound.
   */
  readonly maxWaiting?: number
  /**
   * For tasks that have a key. With `order`, one at a time in the order of their adding, and none passes one that is tried again; else at most
   * `concurrency` at once.
   */
  readonly perKey?: { readonly order?: boolean; readonly concurrency?: number; readonly rateLimit?: Rate }
  /** Tenants take turns whatever one of them piles up. `quantum` (default 1,000 ms) is how much of the line one task of a tenant takes up. */
  readonly fair?: boolean | { readonly quantum: number }
  /** Of tasks that are done, cancelled or expired. */
  readonly keep?: Keep
  /** Of dead tasks. */
  readonly keepDead?: Keep
}

/** A queue with what code says of it; what `defineQueue` returns. */
export interface QueueDefinition {
  readonly name: string
  readonly options: QueueOptions
  /** False where a task only names its queue: what holds of it is said elsewhere. */
  readonly declares: boolean
}
