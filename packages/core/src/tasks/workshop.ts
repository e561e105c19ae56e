import type { Limits } from '../contract/limits.ts'
import type { LeaseStore } from '../driver/lease-store.ts'
import type { TaskAdmin } from '../driver/task-admin.ts'
import type { TaskStore } from '../driver/task-store.ts'
import { wait } from '../runtime/abort.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createExchangeLoop, type ExchangeLoop } from './exchange-loop.ts'
import type { Hearing } from './hearing.ts'
import type { HeldTask } from './held-task.ts'
import { createLineWatch } from './line-watch.ts'
import type { Results } from './results.ts'
import { createStrayWatch } from './stray-watch.ts'
import type { AnyTaskDefinition } from './task-definition.ts'
import type { ChildResult } from './task-flow.ts'
import type { BatchHandler, PooledHandler } from './task-handler.ts'
import type { TaskVerdict } from './task-outcome.ts'
import { createTaskReports, leaseLost } from './task-reports.ts'
import { createWorkerHandle, LAST_WORDS_MS } from './worker-handle.ts'
import { createWorkerLine, type WorkerLine } from './worker-line.ts'
import { createWorkerMember } from './worker-member.ts'
import type { Worker, WorkOptions } from './worker.ts'
import { resolveWork } from './work-options.ts'

/** The workers of one process. */
export interface Workshop {
  work(
    definition: AnyTaskDefinition,
    handler: PooledHandler | BatchHandler,
    options: WorkOptions | undefined,
  ): Promise<Worker>
  /** Tasks of these queues may be claimed now. */
  hint(queues: Iterable<string>): void
  /** Something that runs may have been cancelled. */
  look(): void
  /** Tasks that end here and of which the store has not answered yet. */
  endingIds(): ReadonlySet<string>
  stop(timeoutMs: number): Promise<void>
}

export interface WorkshopOptions {
  readonly millrace: string
  readonly service: string
  readonly store: TaskStore
  readonly admin: TaskAdmin
  readonly leases: LeaseStore
  readonly runtime: Runtime
  readonly limits: Limits
  readonly leaseMs: number
  readonly alive: Int32Array
  readonly results: Results
  readonly children: (id: string) => Promise<readonly ChildResult[]>
  /** The progress of a task as it is kept; tells others of it. */
  readonly showProgress: (held: HeldTask) => string | undefined
  readonly hearing: Hearing
  /** Tasks have ended for good. */
  readonly onEnded: (tasks: number) => void
  readonly onError: (error: unknown) => void
}

/** Where hints arrive; one may be lost. */
const BACKSTOP_MS = 10_000
/** Where nothing tells of new tasks. */
const POLL_MS = 250

export function createWorkshop(options: WorkshopOptions): Workshop {
  const { runtime, store, results, onError } = options
  const lines = new Map<string, WorkerLine>()
  const workers = new Map<string, Worker>()
  /** Of all workers that there ever were: an answer may come late. */
  const reports = createTaskReports(options.millrace)
  const watch = createLineWatch({ lines, runtime, reports })
  const strays = createStrayWatch({ ...options, lines, loop: () => loop, worker: () => member.id })
  const member = createWorkerMember({
    ...options,
    work: () => [...lines.values()].map(({ definition }) => definition),
    onExpelled: loseAll,
    onRejoined: () => loop.hint(),
    onReclaimed(worker, tasks) {
      runtime.log.warn('the tasks of a worker that is gone were given to others', { worker, tasks })
      reports.incident('worker-reclaimed')
      loop.hint()
    },
  })
  const loop: ExchangeLoop = createExchangeLoop({
    store,
    runtime,
    lines,
    worker: () => member.id,
    backstopMs: () => (options.hearing.arriving ? BACKSTOP_MS : POLL_MS),
    progressOf: options.showProgress,
    onSettled,
    onFenced: tellLost,
    onFailed(error, claimed) {
      onError(error)
      if (claimed) strays.suspect()
    },
  })
  const links = { now: () => runtime.monotonic(), note: loop.note, children: options.children }
  let stopping: Promise<void> | undefined

  /** Others hold this process for dead: what it has is done again elsewhere. */
  function loseAll(worker: string): void {
    for (const line of lines.values()) {
      for (const held of line.held()) {
        if (held.worker !== worker) continue
        tellLost(held)
        line.drop(held, leaseLost(held))
      }
    }
  }

  function tellLost(held: HeldTask): void {
    reports.incident('task-lease-lost', held)
    onError(leaseLost(held))
  }

  function settle(held: HeldTask, verdict: TaskVerdict, durationMs: number): void {
    const endToEndMs = held.task.ageMs + runtime.monotonic() - held.claimedAt
    reports.attempt(held, verdict, { durationMs, endToEndMs })
    if (isMillraceError(held.endReason, 'task_lease_lost')) loop.lost(held)
    else loop.settle(held, verdict)
  }

  function onSettled({ task, body }: HeldTask, { as, output, error }: TaskVerdict): void {
    if (as === 'retry' || as === 'release') return
    options.onEnded(1)
    if (body?.parentQueue !== undefined) loop.hint([body.parentQueue])
    if (!results.waiting) return
    const { id, name, attempts } = task
    results.ended({ id, name, state: as, output, error, attempts: attempts + 1 })
  }

  function forget(name: string): void {
    lines.delete(name)
    workers.delete(name)
  }

  async function onStopped(name: string, leave: () => void): Promise<void> {
    forget(name)
    leave()
    if (stopping === undefined) await member.relabel().catch(unlessClosed)
  }

  function unlessClosed(error: unknown): void {
    if (!isMillraceError(error, 'closed')) onError(error)
  }

  async function stop(timeoutMs: number): Promise<void> {
    const ms = timeoutMs > 0 ? timeoutMs : 0
    await Promise.all([...workers.values()].map((worker) => worker.stop({ timeoutMs: ms })))
    strays.stop()
    watch.stop()
    loop.stop()
    await Promise.race([member.leave().catch(unlessClosed), wait(runtime, LAST_WORDS_MS)])
  }

  return {
    async work(definition, handler, given) {
      const { name } = definition
      const resolved = resolveWork(handler, given)
      if (stopping !== undefined) throw new MillraceError('closed', 'Millrace is closed: no worker can begin.')
      if (lines.has(name)) throw taken(name)
      const { limits } = options
      const line = createWorkerLine({
        ...resolved,
        definition,
        handler: handler as PooledHandler,
        runtime,
        limits,
        links,
        settle,
        wake: loop.wake,
      })
      const leave = options.hearing.begin()
      const worker = createWorkerHandle({ line, handler, loop, runtime, onStopped: () => onStopped(name, leave) })
      lines.set(name, line)
      workers.set(name, worker)
      try {
        await (member.id === undefined ? member.join() : member.relabel())
      } catch (error) {
        forget(name)
        leave()
        throw error
      }
      strays.start()
      watch.start()
      loop.hint([definition.queue.name])
      return worker
    },
    hint: loop.hint,
    look: loop.look,
    endingIds: loop.settlingIds,
    stop: (timeoutMs) => (stopping ??= stop(timeoutMs)),
  }
}

function taken(name: string): MillraceError {
  return new MillraceError(
    'task_options_invalid',
    `The task "${name}" has a worker in this process already. Raise its concurrency.`,
    { path: 'task', facts: { name } },
  )
}
