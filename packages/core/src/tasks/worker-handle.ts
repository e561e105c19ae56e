import { wait } from '../runtime/abort.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { ExchangeLoop } from './exchange-loop.ts'
import type { BatchHandler, PooledHandler } from './task-handler.ts'
import { statusOf } from './task-reports.ts'
import { resolveWork, stopTimeout } from './work-options.ts'
import type { WorkerLine } from './worker-line.ts'
import type { Worker } from './worker.ts'

export interface WorkerHandleOptions {
  readonly line: WorkerLine
  readonly handler: PooledHandler | BatchHandler
  readonly loop: ExchangeLoop
  readonly runtime: Runtime
  /** It has stopped. */
  readonly onStopped: () => Promise<void>
}

/** How long a stop waits for the engine to hear what became of the last tasks. */
export const LAST_WORDS_MS = 2_000

/** A line as the application sees it. */
export function createWorkerHandle({ line, handler, loop, runtime, onStopped }: WorkerHandleOptions): Worker {
  let stopping: Promise<void> | undefined
  let stopped = false

  async function stop(timeoutMs: number): Promise<void> {
    line.close()
    await Promise.race([line.calls.idle(), wait(runtime, timeoutMs)])
    const reason = new MillraceError('closed', 'The worker was stopped, and the time for that is up.')
    for (const held of line.held()) line.drop(held, reason)
    loop.wake()
    await Promise.race([loop.allSettled(), wait(runtime, LAST_WORDS_MS)])
    stopped = true
    if (Symbol.asyncDispose in handler) await handler[Symbol.asyncDispose]?.()
    await onStopped()
  }

  const worker: Worker = {
    task: line.definition.name,
    queue: line.definition.queue.name,
    get status() {
      return statusOf(line, stopped ? 'stopped' : line.state)
    },
    pause: () => line.pause(),
    resume: () => line.resume(),
    setConcurrency(concurrency) {
      line.concurrency = resolveWork(handler, { concurrency }).concurrency
    },
    stop: async (options) => (stopping ??= stop(stopTimeout(options))),
    [Symbol.asyncDispose]: () => worker.stop(),
  }
  return worker
}
