import type { Target } from '../bus/targets.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { abortable } from './abortable.ts'
import { createBulkhead } from './bulkhead.ts'
import type { Doubts } from './doubts.ts'
import { inTime } from './in-time.ts'
import type { Measure } from './measure.ts'
import type {
  CallOptions,
  OperationCall,
  OperationStatus,
  ResultOptions,
  RouteReason,
  RunContext,
} from './operation.ts'

/** A call on its way. */
export interface Begun {
  readonly id: string
  readonly reason: RouteReason
  readonly call: CallOptions
}

/** The calls of an operation that run in this process. */
export interface RunsHere {
  readonly status: OperationStatus['here']
  /** Resolves when the call has begun or waits to begin. Throws `bulkhead_full`, `task_input_invalid`, `publish_unknown`. */
  begin(input: unknown, begun: Begun): Promise<OperationCall>
}

const RESULT_MS = 30_000
const NEVER = new AbortController().signal

/** Runs calls here, within the limits, on the same data as a worker would and with the same check of what comes out. */
export function createRunsHere({
  name,
  run,
  limits,
  isIdempotent,
  target,
  doubts,
  measure,
  runtime,
}: {
  readonly name: string
  readonly run: (input: unknown, context: RunContext) => unknown
  readonly limits: { readonly concurrency: number; readonly queued: number }
  readonly isIdempotent: boolean
  readonly target: () => Target
  readonly doubts: Doubts
  readonly measure: Measure
  readonly runtime: Runtime
}): RunsHere {
  const bulkhead = createBulkhead(name, limits)

  function waitFor(
    outcome: Promise<unknown>,
    { timeout = RESULT_MS, signal = NEVER }: ResultOptions = {},
  ): Promise<unknown> {
    const late = (): Error =>
      new MillraceError('wait_timeout', `The operation "${name}" did not end within ${timeout} ms. It goes on.`)
    return inTime(runtime, abortable(outcome, signal), { ms: timeout, late })
  }

  return {
    get status() {
      return bulkhead.status
    },
    async begin(input, { id, reason, call: { signal = NEVER, key } }) {
      if (doubts.has(id) && !isIdempotent) throw doubtful(name, id)
      const { checkInput, checkOutput } = target()
      const data = checkInput(input)
      bulkhead.assertRoom()
      const startedAt = runtime.monotonic()
      let hasBegun = false
      const running = bulkhead.execute(async () => {
        hasBegun = true
        const returned = await run(data, { id, key, reason, signal })
        return checkOutput === undefined ? returned : checkOutput(returned)
      }, signal)
      // Work that has begun hears of an abort by its own signal.
      const outcome = abortable(running, signal, () => !hasBegun)
      measure.count('sync')
      void measure.watch(outcome, { mode: 'sync', reason, startedAt })
      return { id, mode: 'sync', reason, result: (how) => waitFor(outcome, how) }
    },
  }
}

function doubtful(name: string, id: string): MillraceError {
  return new MillraceError(
    'publish_unknown',
    `The queue of the operation "${name}" may have the task ${id} from a call before, so it is not run here. Call again when the queue answers, or declare the operation idempotent.`,
    { retriable: true, facts: { operation: name, id } },
  )
}
