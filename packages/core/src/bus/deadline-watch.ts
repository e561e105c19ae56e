import type { Runtime } from '../runtime/runtime.ts'

/** One timer for many deadlines: nothing is set or cancelled for each of them. */
export interface DeadlineWatch {
  /** Something ends by then, on the monotonic clock, in milliseconds; Infinity for never. */
  by(deadline: number): void
}

export interface DeadlineWatchOptions {
  readonly runtime: Runtime
  /** Ends what has a deadline up to `now`, and tells the earliest of the others; Infinity when there is none. */
  readonly look: (now: number) => number
}

/** Between two looks at least, so that many deadlines close together do not make a look each. */
const PAUSE_MS = 25
/** A timer that fires so late was held up with everything else. */
const HELD_UP_MS = 50

/** Looks when the earliest deadline that it was told of has come. After a time with nothing to end it looks once in vain, and no more. */
export function createDeadlineWatch({ runtime, look }: DeadlineWatchOptions): DeadlineWatch {
  let next = Infinity
  let timer: { cancel(): void } | undefined
  let wasHeldUp = false

  function by(deadline: number): void {
    if (deadline < next) arm(deadline, runtime.monotonic())
  }

  function arm(at: number, now: number): void {
    timer?.cancel()
    next = at
    timer = runtime.setTimer(fire, Math.max(0, Math.ceil(at - now)))
  }

  function fire(): void {
    const now = runtime.monotonic()
    // Answers may have come while this process stood still: they are heard first.
    wasHeldUp = !wasHeldUp && now - next > HELD_UP_MS
    if (wasHeldUp) return arm(now + HELD_UP_MS, now)
    next = Infinity
    const following = look(now)
    if (following < next) arm(Math.max(following, now + PAUSE_MS), now)
  }

  return { by }
}
