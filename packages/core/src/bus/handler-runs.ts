import type { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { timedOut, type Execute } from './execution.ts'
import type { Attempt } from './outcome.ts'
import type { Item, PartitionRun } from './partition-run.ts'
import { createSlots } from './slots.ts'

/** The handlers that run at the moment. */
export interface HandlerRuns {
  start(item: Item): void
  /** Fires the signals of the handlers of one partition, or of all. */
  abort(reason: MillraceError, run?: PartitionRun): void
  /** No more looks for handlers that are over their time. */
  stop(): void
}

export interface HandlerRunsOptions {
  readonly runtime: Runtime
  readonly execute: Execute
  /** Milliseconds for one attempt; 0 is without limit. */
  readonly timeoutMs: number
  /** An attempt has ended: by itself, or because its time was up. Called once for each start. */
  readonly onEnd: (item: Item, attempt: Attempt) => void
}

/** One timer for all handlers: it finds those over their time, oldest first. */
const LOOK_EVERY_MS = 100

export function createHandlerRuns({ runtime, execute, timeoutMs, onEnd }: HandlerRunsOptions): HandlerRuns {
  const running = createSlots<Item>()
  let stopped = false
  let timer = timeoutMs > 0 ? runtime.setTimer(look, LOOK_EVERY_MS) : undefined

  function end(item: Item, run: number, attempt: Attempt): void {
    if (item.run === run && running.delete(item)) onEnd(item, attempt)
  }

  /** Handlers that are over their time: the attempt has failed, whatever they do from now on. */
  function look(): void {
    const startedBefore = runtime.monotonic() - timeoutMs
    const late = running.values().filter(({ startedAt }) => startedAt <= startedBefore)
    for (const item of late.sort((one, other) => one.startedAt - other.startedAt)) {
      const error = timedOut()
      item.controller?.abort(error)
      end(item, item.run, { ok: false, error })
      // A handler that asks for its signal only now learns that its time is up.
      item.run += 1
    }
    if (!stopped || running.size > 0) timer = runtime.setTimer(look, LOOK_EVERY_MS)
  }

  return {
    start(item) {
      item.run += 1
      item.startedAt = runtime.monotonic()
      item.controller = undefined
      running.add(item)
      execute(item, end)
    },
    abort(reason, run) {
      for (const item of running.values()) {
        if (run === undefined || item.partition === run) item.controller?.abort(reason)
      }
    },
    stop() {
      stopped = true
      timer?.cancel()
    },
  }
}
