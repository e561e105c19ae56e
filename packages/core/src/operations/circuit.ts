import { CircuitState, circuitBreaker, ConsecutiveBreaker, handleWhen } from 'cockatiel'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import { backoffDelay } from '../runtime/backoff.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import { inTime } from './in-time.ts'
import type { CircuitStatus } from './operation.ts'
import { isQueueFailure } from './queue-failure.ts'

/** Leaves a queue alone that fails, and goes back to it when it answers. */
export interface Circuit {
  /** False: a call must not go to the queue now. May be true for one call only, which tries: ask and execute in one turn. */
  readonly lets: boolean
  readonly status: CircuitStatus
  /** Calls through the circuit, which learns from the outcome. */
  execute<Value>(call: () => Promise<Value>): Promise<Value>
  close(): void
}

/**
 * A circuit over cockatiel's breaker, which counts failures in a row. When it is open, the queue is not tried with a call but looked at (`probe`), with a
 * back-off; only when it has answered may one call try, and with that the circuit is closed or open again. The time of all this
 * is the runtime's: the breaker's own clock is told that its wait is over, or is not.
 */
export function createCircuit({
  runtime,
  failures,
  retryMs,
  maxRetryMs,
  probeTimeoutMs,
  probe,
  onChange,
}: {
  readonly runtime: Runtime
  readonly failures: number
  readonly retryMs: number
  readonly maxRetryMs: number
  readonly probeTimeoutMs: number
  readonly probe: () => Promise<unknown>
  readonly onChange: () => void
}): Circuit {
  let mayTry = false
  let opened = 0
  let timer: Timer | undefined
  let isClosed = false
  let reason: string | undefined
  let since = runtime.now()
  const wait = {
    get duration() {
      return mayTry ? -Infinity : Infinity
    },
    next: () => wait,
  }
  // A call that tries and is called off has not shown that the queue is well.
  const isFailure = (error: unknown): boolean =>
    isQueueFailure(error) || (breaker.state === CircuitState.HalfOpen && isMillraceError(error, 'aborted'))
  const breaker = circuitBreaker(handleWhen(isFailure), {
    halfOpenAfter: wait,
    breaker: new ConsecutiveBreaker(failures),
  })

  function look(attempt: number): void {
    if (isClosed) return
    // Between half of the wait and all of it: processes that lost the queue together should not come back together.
    const bound = { first: retryMs, factor: 2, ceiling: maxRetryMs }
    const delay = backoffDelay(bound, attempt, 0.5 + runtime.random() / 2)
    timer = runtime.setTimer(() => {
      inTime(runtime, probe(), { ms: probeTimeoutMs, late: () => new Error('the probe took too long') }).then(
        () => {
          mayTry = true
          change()
        },
        () => look(attempt + 1),
      )
    }, delay)
  }

  function stateNow(): CircuitStatus['state'] {
    if (breaker.state === CircuitState.Closed) return 'closed'
    return mayTry ? 'half-open' : 'open'
  }

  function change(): void {
    since = runtime.now()
    onChange()
  }

  breaker.onBreak((failure) => {
    mayTry = false
    opened += 1
    reason = 'error' in failure ? textOf(failure.error) : undefined
    look(opened)
    change()
  })
  breaker.onReset(() => {
    opened = 0
    reason = undefined
    change()
  })

  return {
    get lets() {
      return breaker.state === CircuitState.Closed || (breaker.state === CircuitState.Open && mayTry)
    },
    get status() {
      return { state: stateNow(), reason, since: new Date(since).toISOString() }
    },
    execute: (call) => breaker.execute(call),
    close() {
      isClosed = true
      timer?.cancel()
    },
  }
}

/** The error of a call that cannot go to the queue and may not run here. */
export function circuitOpen(reason: string | undefined): MillraceError {
  return new MillraceError(
    'circuit_open',
    `The operation cannot go to its queue${reason === undefined ? '' : ` (${reason})`}, and may not run here: its fallback is "fail". Try again later.`,
    { retriable: true },
  )
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error ? `${String(error.code)}: ${error.message}` : error.message
}
