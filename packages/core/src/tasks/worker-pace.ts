/** How fast a worker is and how much it may hold: measured, never configured. */
export interface WorkerPace {
  /** One handler call of `tasks` tasks began when `others` ran. */
  began(others: number, now: number): void
  /** Tasks have ended; `others` handlers still run. */
  ended(call: {
    readonly tasks: number
    readonly startedAt: number
    readonly others: number
    readonly now: number
  }): void
  /** How many tasks about `HOLD_MS` of work are, at most `MOST_HELD`. */
  bufferSize(now: number): number
  /** The share of `concurrency` that was busy of late. `starts` are those of what runs. */
  sample(now: number, concurrency: number, starts: readonly number[]): void
  readonly utilisation: number
  /** How long the calls that have ended took, all together. */
  readonly tookMs: number
}

/** What is claimed and not begun cannot be had by anybody else: no more than a moment's work. */
const HOLD_MS = 50
export const MOST_HELD = 1_000
/** Enough to say something of the pace. */
const LEAST_SEEN_MS = 1
const LEAST_SEEN_TASKS = 100
/** What a clock that has not moved stands for. */
const SHORTEST_MS = 0.001
const UTILISATION_WEIGHT = 0.3

export function createWorkerPace(): WorkerPace {
  /** Since when something runs. */
  let activeSince: number | undefined
  let activeMs = 0
  let tasksEnded = 0
  /** Tasks a millisecond while something runs; undefined until measured. */
  let rate: number | undefined
  let windowStart = 0
  let busyMs = 0
  let utilisation = 0
  let tookMs = 0

  return {
    began(others, now) {
      if (others === 0) activeSince = now
    },
    ended({ tasks, startedAt, others, now }) {
      tasksEnded += tasks
      tookMs += now - startedAt
      busyMs += now - Math.max(startedAt, windowStart)
      if (others > 0 || activeSince === undefined) return
      activeMs += now - activeSince
      activeSince = undefined
    },
    bufferSize(now) {
      const spent = activeMs + (activeSince === undefined ? 0 : now - activeSince)
      if (tasksEnded >= LEAST_SEEN_TASKS || (tasksEnded > 0 && spent >= LEAST_SEEN_MS)) {
        const seen = tasksEnded / Math.max(spent, SHORTEST_MS)
        rate = rate === undefined ? seen : (rate + seen) / 2
        activeMs = 0
        tasksEnded = 0
        if (activeSince !== undefined) activeSince = now
      } else if (rate !== undefined && spent > HOLD_MS) {
        // While nothing comes to its end, the pace is that of a single task that takes so long.
        rate = Math.min(rate, 1 / spent)
      }
      return rate === undefined ? 0 : Math.min(MOST_HELD, Math.floor(rate * HOLD_MS))
    },
    sample(now, concurrency, starts) {
      const windowMs = now - windowStart
      if (windowMs <= 0) return
      let busy = busyMs
      for (const startedAt of starts) busy += now - Math.max(startedAt, windowStart)
      const share = Math.min(1, busy / (windowMs * concurrency))
      utilisation += (share - utilisation) * UTILISATION_WEIGHT
      windowStart = now
      busyMs = 0
    },
    get utilisation() {
      return utilisation
    },
    get tookMs() {
      return tookMs
    },
  }
}
