import type { ClaimedTask } from '../driver/task-store.ts'
import { MillraceError } from '../runtime/error.ts'
import { createClaimSize, type ClaimSize } from './claim-size.ts'
import { createHandlerCalls, type HandlerCalls, type HandlerCallsOptions } from './handler-calls.ts'
import { holdTask, type HeldTask } from './held-task.ts'
import { slicedWork } from './sliced-work.ts'
import { createTaskBuffer } from './task-buffer.ts'
import type { AnyTaskDefinition } from './task-definition.ts'
import { cancelledVerdict, EXPIRED, RELEASED, type TaskVerdict } from './task-outcome.ts'
import { createWorkerPace, MOST_HELD, type WorkerPace } from './worker-pace.ts'

/** The tasks of one definition in this process: those that wait here and those that run. */
export interface WorkerLine {
  readonly definition: AnyTaskDefinition
  readonly state: LineState
  readonly calls: HandlerCalls
  readonly pace: WorkerPace
  readonly buffered: number
  readonly queueWaitMs: number
  readonly counts: { readonly done: number; readonly failed: number }
  concurrency: number
  /** When a claim may give something, on the monotonic clock; set by whoever claims. */
  dueAt: number
  /** Tasks that were asked for and have not come yet. */
  reserved: number
  /** How many more it can take now. */
  wanted(): number
  readonly claimSize: ClaimSize
  /** Takes what was claimed, under the name of this member. */
  take(tasks: readonly ClaimedTask[], worker: string): void
  held(): readonly HeldTask[]
  /** Ends attempts that are over their time, and gives back what would wait here for too long. */
  look(now: number): void
  /** Somebody wants it cancelled: at once if it has not begun, else by its signal. */
  cancel(held: HeldTask): void
  /** It is no business of this worker any more. */
  drop(held: HeldTask, reason: MillraceError): void
  pause(): void
  resume(): void
  /** Takes nothing new and gives back what has not begun. */
  close(): void
}

export type LineState = 'running' | 'paused' | 'stopping'

export interface WorkerLineOptions extends Omit<HandlerCallsOptions, 'pace' | 'onEnd'> {
  readonly concurrency: number
  readonly batch: { readonly size: number; readonly waitMs: number } | undefined
  /** The claim of a task has come to its end. */
  readonly settle: (held: HeldTask, verdict: TaskVerdict, durationMs: number) => void
  /** There is room for more. */
  readonly wake: () => void
}

/** What has waited here for longer could have been run elsewhere. */
const LONGEST_HELD_MS = 250
const WAIT_WEIGHT = 0.05

export function createWorkerLine(options: WorkerLineOptions): WorkerLine {
  const { definition, batch, runtime, settle } = options
  const size = batch?.size ?? 1
  const pump = slicedWork(runtime, start)
  const buffer = createTaskBuffer({
    batch,
    runtime,
    onDue: pump,
    onExpired: (held) => endUnbegun(held, EXPIRED),
  })
  const pace = createWorkerPace()
  const claimSize = createClaimSize()
  const counts = { done: 0, failed: 0 }
  const calls = createHandlerCalls({ ...options, pace, onEnd })
  let state: LineState = 'running'
  let concurrency = options.concurrency
  let queueWaitMs = 0

  function onEnd(held: HeldTask, verdict: TaskVerdict, durationMs: number): void {
    if (verdict.as === 'done') counts.done += 1
    else if (verdict.as === 'retry' || verdict.as === 'dead') counts.failed += 1
    settle(held, verdict, durationMs)
    pump()
  }

  function start(): boolean {
    if (state !== 'running' || calls.size >= concurrency || !buffer.isReady) return false
    const next = buffer.next(size)
    const [first] = next
    if (batch !== undefined) calls.startBatch(next)
    else if (first !== undefined) calls.start(first)
    return true
  }

  function endUnbegun(held: HeldTask, verdict: TaskVerdict): void {
    held.ended = true
    settle(held, verdict, 0)
  }

  function giveBack(tasks: readonly HeldTask[]): void {
    for (const held of tasks) if (!held.ended) endUnbegun(held, RELEASED)
  }

  const line: WorkerLine = {
    definition,
    calls,
    pace,
    counts,
    claimSize,
    dueAt: 0,
    reserved: 0,
    get state() {
      return state
    },
    get buffered() {
      return buffer.length
    },
    get queueWaitMs() {
      return queueWaitMs
    },
    get concurrency() {
      return concurrency
    },
    set concurrency(value) {
      concurrency = value
      pump()
      options.wake()
    },
    wanted() {
      if (state !== 'running') return 0
      const most = Math.max(MOST_HELD, concurrency * size)
      const room = Math.min(most, concurrency * size + pace.bufferSize(runtime.monotonic()))
      return Math.min(claimSize.most, Math.max(0, room - buffer.length - calls.taskCount - line.reserved))
    },
    take(tasks, worker) {
      const now = runtime.monotonic()
      claimSize.saw(tasks)
      for (const task of tasks) {
        queueWaitMs += (task.waitedMs - queueWaitMs) * WAIT_WEIGHT
        const held = holdTask(task, { definition, worker, now })
        if (state === 'running') buffer.push(held)
        else endUnbegun(held, RELEASED)
      }
      pump()
    },
    held: () => [...buffer.all(), ...calls.tasks],
    look(now) {
      calls.endLate(now)
      pump()
      if (batch === undefined) giveBack(buffer.surplus(pace.bufferSize(now), now - LONGEST_HELD_MS))
    },
    cancel(held) {
      if (held.cancelled || held.ended) return
      held.cancelled = true
      if (held.slot === -1) return endUnbegun(held, cancelledVerdict())
      held.endReason = new MillraceError('task_cancelled', 'Somebody has cancelled this task. Stop the work.')
      held.controller?.abort(held.endReason)
    },
    drop(held, reason) {
      if (held.ended) return
      if (held.slot !== -1) return calls.giveBack(held, reason)
      held.endReason = reason
      endUnbegun(held, RELEASED)
    },
    pause() {
      if (state !== 'running') return
      state = 'paused'
      giveBack(buffer.drain())
    },
    resume() {
      if (state !== 'paused') return
      state = 'running'
      line.dueAt = 0
      options.wake()
    },
    close() {
      state = 'stopping'
      giveBack(buffer.drain())
    },
  }
  return line
}
