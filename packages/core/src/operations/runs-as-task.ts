import type { Target } from '../bus/targets.ts'
import { throwIfAborted } from '../runtime/abort.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Circuit } from './circuit.ts'
import type { Doubts } from './doubts.ts'
import { inTime } from './in-time.ts'
import type { Measure, Measured } from './measure.ts'
import type { OperationCall, OperationSettings } from './operation.ts'
import { isQueueFailure, isUnknown } from './queue-failure.ts'
import type { Begun, RunsHere } from './runs-here.ts'

/** The calls of an operation that go to its queue. */
export interface RunsAsTask {
  /** Resolves when the task is stored, or runs the call here when that is certain not to do it twice, or allowed to. */
  begin(input: unknown, begun: Begun): Promise<OperationCall>
}

const MOST_FOLLOWED = 100
const FOLLOWED_MS = 600_000
const CANCEL_MS = 500
const VERDICT_MS = 1_500

/** Adds tasks through the circuit, and falls back where that fails. */
export function createRunsAsTask({
  name,
  target,
  circuit,
  settings,
  isIdempotent,
  startTimeoutMs,
  here,
  doubts,
  measure,
  runtime,
}: {
  readonly name: string
  readonly target: () => Target
  readonly circuit: Circuit
  readonly settings: () => OperationSettings
  readonly isIdempotent: boolean
  readonly startTimeoutMs: number
  readonly here: RunsHere
  readonly doubts: Doubts
  readonly measure: Measure
  readonly runtime: Runtime
}): RunsAsTask {
  let followed = 0

  async function begin(input: unknown, begun: Begun): Promise<OperationCall> {
    const { id, call, reason } = begun
    const startedAt = runtime.monotonic()
    const giveUp = new AbortController()
    const signal = call.signal === undefined ? giveUp.signal : AbortSignal.any([call.signal, giveUp.signal])
    const key = call.key === undefined ? {} : { key: call.key }
    // The one call that tries the queue must reach it: what is wrong with the input says nothing about the queue.
    if (circuit.status.state !== 'closed') target().checkInput(input)
    let stored: { readonly id: string }
    try {
      stored = await circuit.execute(() => add(() => target().start(input, { id, signal, ...key }), { id, giveUp }))
    } catch (error) {
      // Nothing may be sent again after this: what is decided now must stay true.
      giveUp.abort()
      throwIfAborted(call.signal)
      return recover(error, input, begun)
    }
    doubts.settle(id)
    measure.count('async')
    // Another id when the task is held back as a duplicate: that of the one that is done instead.
    follow(stored.id, { mode: 'async', startedAt, reason })
    return { id: stored.id, mode: 'async', reason, result: (how) => target().result(stored.id, how) }
  }

  /** Adds a task within the time for it. Called off, the queue soon says whether it was sent at all, which is worth a short wait. */
  async function add(
    start: () => Promise<{ readonly id: string }>,
    { id, giveUp }: { readonly id: string; readonly giveUp: AbortController },
  ): Promise<{ readonly id: string }> {
    const adding = start()
    const late = Symbol('late')
    const timer = Promise.withResolvers<typeof late>()
    const timeout = runtime.setTimer(() => timer.resolve(late), startTimeoutMs)
    const first = await Promise.race([adding, timer.promise]).finally(() => timeout.cancel())
    if (first !== late) return first
    giveUp.abort()
    const verdict = inTime(runtime, adding, { ms: VERDICT_MS, late: () => unanswered(name, id, startTimeoutMs) })
    return verdict.catch((error: unknown) => {
      throw isMillraceError(error, 'aborted') ? notTaken(name, id, startTimeoutMs) : error
    })
  }

  async function recover(error: unknown, input: unknown, begun: Begun): Promise<OperationCall> {
    if (!isQueueFailure(error)) throw error
    const mayRunHere = settings().fallback === 'sync'
    if (!isUnknown(error)) {
      if (!mayRunHere) throw error
      return here.begin(input, { ...begun, reason: 'queue-failed' })
    }
    if (mayRunHere && isIdempotent) return here.begin(input, { ...begun, reason: 'queue-unknown' })
    doubts.add(begun.id)
    if (!mayRunHere || !(await isCancelled(begun.id))) throw error
    doubts.settle(begun.id)
    return here.begin(input, { ...begun, reason: 'queue-failed' })
  }

  /** True only when the queue has the task after all, and it will never run. That it is not found proves nothing: it may still be on its way. */
  function isCancelled(id: string): Promise<boolean> {
    const tooLate = new AbortController()
    const late = (): Error => {
      const error = new Error('the queue took too long to cancel')
      // Its caller will be told that the task may be there: it must not be cancelled after that.
      tooLate.abort(error)
      return error
    }
    const cancelling = target().cancel(id, { signal: tooLate.signal })
    return inTime(runtime, cancelling, { ms: CANCEL_MS, late }).catch(() => false)
  }

  /** Sees tasks to their end for the comparison, a bounded number at once. */
  function follow(id: string, call: Measured): void {
    if (followed >= MOST_FOLLOWED) return
    followed += 1
    const outcome = target().result(id, { timeout: FOLLOWED_MS })
    void measure.watch(outcome, call).finally(() => (followed -= 1))
  }

  return { begin }
}

function unanswered(name: string, id: string, ms: number): MillraceError {
  return new MillraceError(
    'publish_unknown',
    `The queue of the operation "${name}" did not answer within ${ms} ms: whether it has the task ${id} is not known. Call again with this id, which adds it once, or wait for result(id).`,
    { retriable: true, facts: { operation: name, id } },
  )
}

function notTaken(name: string, id: string, ms: number): MillraceError {
  return new MillraceError(
    'publish_rejected',
    `The queue of the operation "${name}" did not take the task ${id} within ${ms} ms. It was called off and is not stored.`,
    { retriable: true, facts: { operation: name, id } },
  )
}
