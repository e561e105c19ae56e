import type { TaskExchanged, TaskStore } from '../driver/task-store.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createClaimDesk, type OpenClaims } from './claim-desk.ts'
import { createGrowingRest } from './growing-rest.ts'
import type { HeldTask } from './held-task.ts'
import { createNoteQueue } from './note-queue.ts'
import { createSettleQueue, settleOf, type Settling } from './settle-queue.ts'
import { createSleeper } from './sleeper.ts'
import type { TaskVerdict } from './task-outcome.ts'
import type { WorkerLine } from './worker-line.ts'

/** Talks to the store for all workers of the process: one round trip settles, notes and claims. */
export interface ExchangeLoop {
  /** The claim of a task has ended. */
  settle(held: HeldTask, verdict: TaskVerdict): void
  /** A task was taken from this worker: there is nothing to settle. */
  lost(held: HeldTask): void
  /** A running task has something to tell. */
  note(held: HeldTask): void
  /** A claim may give something now: of these queues, or of all. */
  hint(queues?: Iterable<string>): void
  /** Something that runs may have been cancelled. */
  look(): void
  /** There may be something to send. */
  wake(): void
  /** Resolves when everything is settled, and nothing is claimed any more for workers that stop. */
  allSettled(): Promise<void>
  /** Claims (`<starts> <id>`) that are still to be settled and not under way. */
  unsettledClaims(): ReadonlySet<string>
  /** Tasks whose settle is under way: the store may have taken it, and nobody here has heard of it. */
  settlingIds(): ReadonlySet<string>
  /** Resolves when no exchange is under way; none begins until the work is done. */
  alone<Result>(work: () => Promise<Result>): Promise<Result>
  stop(): void
}

export interface ExchangeLoopOptions {
  readonly store: TaskStore
  readonly runtime: Runtime
  readonly lines: ReadonlyMap<string, WorkerLine>
  /** The member under whose name is claimed; undefined while there is none. */
  readonly worker: () => string | undefined
  /** Milliseconds after which an exchange takes place although nothing was heard. */
  readonly backstopMs: () => number
  /** The progress of a task that has reported some, as it is kept. */
  readonly progressOf: (held: HeldTask) => string | undefined
  readonly onSettled: (held: HeldTask, verdict: TaskVerdict) => void
  /** The task had been taken from this worker. */
  readonly onFenced: (held: HeldTask) => void
  /** An exchange failed; it may have been carried out, its claims too. */
  readonly onFailed: (error: unknown, claimed: boolean) => void
}

const EXCHANGES_IN_FLIGHT = 2
/** A second exchange begins only when it carries enough to be worth its trip. */
const WORTH_ANOTHER = 200
/** Looks for nothing but cancellations are no more frequent than this. */
const LOOK_MS = 50

export function createExchangeLoop(options: ExchangeLoopOptions): ExchangeLoop {
  const { store, runtime, lines, backstopMs } = options
  const settles = createSettleQueue()
  const notes = createNoteQueue(runtime, { progressOf: options.progressOf, onDue: schedule })
  const desk = createClaimDesk({ lines, runtime, backstopMs, settle })
  const sleeper = createSleeper(runtime, () => {
    rested = true
    schedule()
  })
  const waiters: (() => void)[] = []
  let inFlight = 0
  let scheduled = false
  let looking = true
  /** Nothing was heard for as long as was asked. */
  let rested = false
  let exchangedAt = 0
  let alone = 0
  let stopped = false
  const rest = createGrowingRest(runtime, schedule)
  const maySend = (): boolean => !stopped && !rest.isResting && alone === 0 && inFlight < EXCHANGES_IN_FLIGHT
  const hasWork = (): boolean => settles.length > 0 || looking || notes.isDue || desk.isHungry

  function settle(held: HeldTask, verdict: TaskVerdict): void {
    desk.ended(held)
    desk.freed(held.task.queue)
    settles.push(held, verdict)
    schedule()
  }

  function schedule(): void {
    if (scheduled || !maySend()) return
    scheduled = true
    runtime.defer(() => {
      scheduled = false
      if (maySend()) send()
    })
  }

  function send(): void {
    const worker = options.worker()
    if (worker === undefined) return
    // Where nothing runs, nothing can have been cancelled.
    if (rested && isHolding(lines)) looking = true
    if (!hasWork()) return sleep()
    if (inFlight > 0 && settles.length < WORTH_ANOTHER) return
    const batch = settles.take()
    const of = batch[0]?.held.worker ?? worker
    // What is looked for after a rest is looked for together, or each line would have a rest of its own.
    const soonMs = rested ? backstopMs() / 2 : 0
    looking = rested = false
    void exchange(of, batch, of === worker ? desk.open(soonMs) : undefined)
    if (settles.length > 0) schedule()
  }

  async function exchange(worker: string, batch: readonly Settling[], open: OpenClaims | undefined): Promise<void> {
    inFlight += 1
    exchangedAt = runtime.monotonic()
    let answer: TaskExchanged | undefined
    try {
      const noted = notes.take(worker, batch)
      answer = await store.exchange({ worker, settles: batch.map(settleOf), notes: noted, claims: open?.claims ?? [] })
      rest.succeeded()
    } catch (error) {
      afterFailure(error, batch, (open?.claims.length ?? 0) > 0)
    }
    inFlight -= 1
    settles.answered(batch)
    if (answer !== undefined) tell(batch, answer, options)
    open?.close(answer?.claimed, worker)
    if (answer !== undefined && answer.cancel.length > 0) cancelAmong(lines, new Set(answer.cancel))
    for (const wake of waiters.splice(0)) wake()
    if (hasWork()) schedule()
    else sleep()
  }

  function afterFailure(error: unknown, batch: readonly Settling[], claimed: boolean): void {
    for (const each of batch) each.doubtful = true
    settles.putBack(batch)
    if (isMillraceError(error, 'closed')) stopped = true
    else rest.failed()
    if (rest.failures <= 1 || claimed) options.onFailed(error, claimed)
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => waiters.push(resolve))
  }

  /** Until something is due; what comes before wakes it. */
  function sleep(): void {
    rested = false
    if (!stopped) sleeper.until(Math.min(runtime.monotonic() + backstopMs(), desk.dueAt))
  }

  return {
    settle,
    lost(held) {
      desk.ended(held)
      notes.forget(held)
    },
    note: notes.add,
    hint(queues) {
      desk.hint(queues)
      schedule()
    },
    look() {
      if (!isHolding(lines)) return
      const now = runtime.monotonic()
      if (now < exchangedAt + LOOK_MS) return sleeper.until(exchangedAt + LOOK_MS)
      looking = true
      schedule()
    },
    wake: schedule,
    allSettled: () => until(() => settles.length + settles.underWay.size === 0 && !isClaimingInVain(lines)),
    unsettledClaims: () => settles.claims(),
    settlingIds: () => new Set([...settles.underWay].flatMap((batch) => batch.map(({ held }) => held.task.id))),
    async alone(work) {
      alone += 1
      await until(() => inFlight === 0)
      return work().finally(() => {
        alone -= 1
        schedule()
      })
    },
    stop() {
      stopped = true
      rest.stop()
      notes.stop()
      sleeper.stop()
    },
  }
}

function cancelAmong(lines: ReadonlyMap<string, WorkerLine>, ids: ReadonlySet<string>): void {
  for (const line of lines.values()) {
    for (const held of line.held()) if (ids.has(held.task.id)) line.cancel(held)
  }
}

function tell(
  batch: readonly Settling[],
  { settled }: TaskExchanged,
  { onSettled, onFenced }: Pick<ExchangeLoopOptions, 'onSettled' | 'onFenced'>,
): void {
  batch.forEach(({ held, verdict, doubtful }, at) => {
    if (settled[at] !== 'fenced') onSettled(held, verdict)
    else if (!doubtful) onFenced(held)
  })
}

function isHolding(lines: ReadonlyMap<string, WorkerLine>): boolean {
  for (const line of lines.values()) if (line.buffered + line.calls.taskCount > 0) return true
  return false
}

function isClaimingInVain(lines: ReadonlyMap<string, WorkerLine>): boolean {
  return [...lines.values()].some((line) => line.state === 'stopping' && line.reserved > 0)
}
