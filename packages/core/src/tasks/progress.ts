/** What a handler says of how far it is. What is left out stays as it was. */
export interface ProgressReport {
  readonly done?: number
  readonly total?: number
  /** What is done now, for people: `crawling`. */
  readonly stage?: string
  readonly message?: string
}

/** How far a task is. */
export interface Progress {
  readonly done: number
  readonly total: number | undefined
  readonly stage: string | undefined
  readonly message: string | undefined
  /** 0-100; undefined without a total. */
  readonly percent: number | undefined
  /** Smoothed milliseconds that are left at the pace so far; undefined while nothing can be said. */
  readonly remainingMs: number | undefined
  /** RFC 3339. */
  readonly at: string
}
