import type { Limits } from '../contract/limits.ts'
import { handlingContext } from '../bus/handling-context.ts'
import { createSlots } from '../bus/slots.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { answerOf, answersOf, isPromiseLike } from './batch-answer.ts'
import { checkInput, readInput } from './check-input.ts'
import { endHeld, retriesOf, type HeldTask, type RunningBatch } from './held-task.ts'
import { decodeTaskBody } from './task-body.ts'
import { LazyTaskContext, type ContextLinks } from './task-context.ts'
import type { AnyTaskDefinition } from './task-definition.ts'
import type { BatchHandler, TaskHandler } from './task-handler.ts'
import { judgeTask, RELEASED, type TaskAttempt, type TaskVerdict } from './task-outcome.ts'
import type { WorkerPace } from './worker-pace.ts'

/** The calls of one handler that are under way. */
export interface HandlerCalls {
  /** A batch counts as one. */
  readonly size: number
  /** Calls that were given up and have not come back. */
  readonly abandoned: number
  /** Tasks that are being run. */
  readonly tasks: readonly HeldTask[]
  readonly taskCount: number
  start(held: HeldTask): void
  startBatch(batch: readonly HeldTask[]): void
  /** Ends attempts that are over their time. */
  endLate(now: number): void
  /** Ends a task for good whatever its handler does, and gives it back. */
  giveBack(held: HeldTask, reason: MillraceError): void
  /** When the calls under way began. */
  starts(): readonly number[]
  /** Resolves when nothing runs. */
  idle(): Promise<void>
}

export interface HandlerCallsOptions {
  readonly definition: AnyTaskDefinition
  readonly handler: TaskHandler | BatchHandler
  readonly runtime: Runtime
  readonly limits: Limits
  readonly links: ContextLinks
  readonly pace: WorkerPace
  /** A task has come to its end, by itself or not; called once for each. */
  readonly onEnd: (held: HeldTask, verdict: TaskVerdict, durationMs: number) => void
}

export function createHandlerCalls(options: HandlerCallsOptions): HandlerCalls {
  const { definition, runtime, limits, links, pace } = options
  const handler = options.handler as TaskHandler & BatchHandler
  const running = createSlots<HeldTask>()
  const idleWaiters: (() => void)[] = []
  let calls = 0
  let abandoned = 0

  const begin = (held: HeldTask): LazyTaskContext => new LazyTaskContext(inputOf(held, limits), held, links)

  function enter(now: number): void {
    pace.began(calls, now)
    calls += 1
  }

  function end(held: HeldTask, attempt: TaskAttempt): void {
    if (held.ended) abandoned -= 1
    else finish(held, judge(held, attempt))
  }

  function judge(held: HeldTask, attempt: TaskAttempt): TaskVerdict {
    const { task, cancelled } = held
    const judged = { definition, retries: retriesOf(held), attempt: task.attempts + 1, cancelled, limits }
    return judgeTask(attempt, judged, runtime.random())
  }

  function finish(held: HeldTask, verdict: TaskVerdict): void {
    const now = runtime.monotonic()
    const { batch, startedAt } = held
    held.ended = true
    running.delete(held)
    const isLast = batch === undefined || --batch.left === 0
    if (isLast) calls -= 1
    pace.ended({ tasks: 1, startedAt: isLast ? startedAt : now, others: calls, now })
    options.onEnd(held, verdict, now - startedAt)
    if (calls === 0) for (const wake of idleWaiters.splice(0)) wake()
  }

  /** Its handler may go on, but nobody listens to it any more. */
  function giveUp(held: HeldTask, reason: unknown, verdict: TaskVerdict): void {
    const { batch } = held
    abandoned += 1
    endHeld(held, reason)
    finish(held, verdict)
    if (batch?.left === 0) batch.controller.abort(reason)
  }

  function endBatch(begun: readonly HeldTask[], attempt: TaskAttempt): void {
    const answers = attempt.ok ? answersOf(attempt.result, begun.length) : begun.map(() => attempt)
    begun.forEach((held, at) => {
      const answer = answers[at] ?? attempt
      if (!isPromiseLike(answer)) return end(held, answer)
      follow(answer, (one) => end(held, one.ok ? answerOf(one.result) : one))
    })
  }

  return {
    get size() {
      return calls
    },
    get abandoned() {
      return abandoned
    },
    get tasks() {
      return running.values()
    },
    get taskCount() {
      return running.size
    },
    start(held) {
      held.startedAt = runtime.monotonic()
      enter(held.startedAt)
      running.add(held)
      try {
        const context = begin(held)
        const result: unknown = handlingContext.run(flowOf(held), handler as TaskHandler, context.input, context)
        if (isPromiseLike(result)) follow(result, (attempt) => end(held, attempt))
        else end(held, { ok: true, result })
      } catch (error) {
        end(held, { ok: false, error })
      }
    },
    startBatch(together) {
      const now = runtime.monotonic()
      if (together.length === 0) return
      const batch: RunningBatch = { left: together.length, controller: new AbortController() }
      const contexts: LazyTaskContext[] = []
      const begun: HeldTask[] = []
      enter(now)
      for (const held of together) {
        held.startedAt = now
        held.batch = batch
        running.add(held)
        try {
          contexts.push(begin(held))
          begun.push(held)
        } catch (error) {
          end(held, { ok: false, error })
        }
      }
      const [first] = begun
      if (first === undefined) return
      try {
        const { signal } = batch.controller
        const results: unknown = handlingContext.run(flowOf(first), handler as BatchHandler, contexts, signal)
        if (isPromiseLike(results)) follow(results, (attempt) => endBatch(begun, attempt))
        else endBatch(begun, { ok: true, result: results })
      } catch (error) {
        endBatch(begun, { ok: false, error })
      }
    },
    endLate(now) {
      for (const held of running.values()) {
        const timeoutMs = held.body?.timeout ?? definition.timeoutMs
        if (timeoutMs === 0 || now - held.startedAt < timeoutMs) continue
        const error = timedOut(definition.name, timeoutMs)
        giveUp(held, error, judge(held, { ok: false, error }))
      }
    },
    giveBack: (held, reason) => giveUp(held, reason, RELEASED),
    starts: () => startsOf(running.values()),
    idle: () => (calls === 0 ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve))),
  }
}

/** The tasks of a batch began together and count once. */
function startsOf(tasks: readonly HeldTask[]): readonly number[] {
  const seen = new Set<RunningBatch>()
  return tasks.flatMap(({ batch, startedAt }) => {
    if (batch === undefined) return [startedAt]
    return seen.size === seen.add(batch).size ? [] : [startedAt]
  })
}

function inputOf(held: HeldTask, limits: Limits): unknown {
  const body = decodeTaskBody(held.task.body)
  held.body = body
  if (body.unchecked === true) return checkInput<unknown>(held.definition, body.input, limits)
  return body.asIs === true ? body.input : readInput<unknown>(held.definition, body.input)
}

function flowOf({ task, body }: HeldTask): Parameters<typeof handlingContext.run>[0] {
  return { id: task.id, metadata: body?.metadata ?? { correlationId: task.id } }
}

function follow(result: PromiseLike<unknown>, onEnd: (attempt: TaskAttempt) => void): void {
  // A foreign thenable may throw instead of rejecting.
  const settled = result instanceof Promise ? result : Promise.resolve(result)
  settled.then(
    (value: unknown) => onEnd({ ok: true, result: value }),
    (error: unknown) => onEnd({ ok: false, error }),
  )
}

function timedOut(name: string, timeoutMs: number): MillraceError {
  return new MillraceError(
    'task_timeout',
    `The task "${name}" took longer than its timeout of ${timeoutMs} ms. Stop the work when the signal fires, or raise the timeout.`,
    { facts: { name, timeoutMs } },
  )
}
