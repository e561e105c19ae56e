import { channels, type OperationDiagnosis } from '../bus/diagnostics.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { ModeFigures, RouteReason } from './operation.ts'
import { isQueueFailure } from './queue-failure.ts'

/** What a measured call is. */
export interface Measured {
  readonly mode: 'sync' | 'async'
  readonly reason: RouteReason
  /** Of the runtime's monotonic clock. */
  readonly startedAt: number
}

/** Counts and times the calls of an operation, each mode for itself. */
export interface Measure {
  readonly figures: { readonly sync: ModeFigures; readonly async: ModeFigures }
  /** A call has begun. */
  count(mode: 'sync' | 'async'): void
  /** Waits for the end of a call, and never rejects. */
  watch(outcome: Promise<unknown>, call: Measured): Promise<void>
}

interface Tally {
  calls: number
  failures: number
  measured: number
  /** The last ones, in milliseconds. */
  readonly durations: number[]
}

const MOST_KEPT = 1_000

/** A measure over the calls of this process; durations of the last 1,000 of each mode. */
export function createMeasure({
  millrace,
  operation,
  runtime,
}: {
  readonly millrace: string
  readonly operation: string
  readonly runtime: Runtime
}): Measure {
  const tallies = { sync: emptyTally(), async: emptyTally() }
  return {
    get figures() {
      return { sync: figuresOf(tallies.sync), async: figuresOf(tallies.async) }
    },
    count: (mode) => void (tallies[mode].calls += 1),
    async watch(outcome, { mode, reason, startedAt }) {
      const failure = await outcome.then(
        () => undefined,
        (error: unknown) => ({ error }),
      )
      // That nobody could see the end of a task says nothing about it.
      if (mode === 'async' && isUnseen(failure?.error)) return
      const durationMs = runtime.monotonic() - startedAt
      const tally = tallies[mode]
      tally.durations[tally.measured % MOST_KEPT] = durationMs
      tally.measured += 1
      if (failure !== undefined) tally.failures += 1
      if (!channels.operation.hasSubscribers) return
      const ended = failure === undefined ? 'done' : 'failed'
      const diagnosis: OperationDiagnosis = { millrace, operation, mode, reason, outcome: ended, durationMs }
      channels.operation.publish(diagnosis)
    },
  }
}

const emptyTally = (): Tally => ({ calls: 0, failures: 0, measured: 0, durations: [] })

function figuresOf({ calls, failures, measured, durations }: Tally): ModeFigures {
  const sorted = durations.toSorted((one, other) => one - other)
  return { calls, failures, measured, p50Ms: quantile(sorted, 0.5), p95Ms: quantile(sorted, 0.95) }
}

/** The nearest rank, to a thousandth. */
function quantile(sorted: readonly number[], share: number): number | undefined {
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
  return value === undefined ? undefined : Math.round(value * 1_000) / 1_000
}

function isUnseen(error: unknown): boolean {
  if (!isMillraceError(error)) return false
  return ['wait_timeout', 'aborted', 'closed', 'task_unknown'].includes(error.code) || isQueueFailure(error)
}
