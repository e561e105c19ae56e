export interface QueueSettings {
  /** A paused queue gives nothing to claims. */
  readonly paused: boolean
  /** How many may run at once, in all processes. */
  readonly concurrency: number | undefined
  readonly rate: TaskRate | undefined
  /** How many tasks that have not ended and do not run it takes. */
  readonly maxWaiting: number | undefined
  /** Applies to tasks that have a key. */
  readonly key: {
    readonly order: boolean
    /** 1 with `order`. */
    readonly concurrency: number | undefined
    readonly rate: TaskRate | undefined
  }
  /** Tenants take turns: see the top. 0: no turns. */
  readonly fairMs: number
  /** What is kept of ended tasks that are not dead: each bound of the queue holds. A count of 0 keeps nothing. */
  readonly keep: TaskRetention
  readonly keepDead: TaskRetention
}

/** A token bucket: `limit` tokens that fill up evenly within `perMs`. */
export interface TaskRate {
  readonly limit: number
  readonly perMs: number
}

export interface TaskRetention {
  readonly ageMs: number
  readonly count: number
  readonly bytes: number
}

/** What a queue has that nobody has set up. */
export const DEFAULT_QUEUE_SETTINGS: QueueSettings = {
  paused: false,
  concurrency: undefined,
  rate: undefined,
  maxWaiting: undefined,
  key: { order: false, concurrency: undefined, rate: undefined },
  fairMs: 0,
  keep: { ageMs: 24 * 3_600_000, count: 10_000, bytes: 64 * 1_048_576 },
  keepDead: { ageMs: 30 * 24 * 3_600_000, count: 100_000, bytes: 256 * 1_048_576 },
}
