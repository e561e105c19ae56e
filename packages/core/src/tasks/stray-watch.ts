import { isMillraceError } from '../runtime/error.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { ExchangeLoop } from './exchange-loop.ts'
import { giveBackStrays, type StraysOptions } from './strays.ts'
import type { WorkerLine } from './worker-line.ts'

/** Looks from time to time for tasks that the store holds for this worker and the worker does not know. */
export interface StrayWatch {
  start(): void
  /** An exchange with claims has failed. */
  suspect(): void
  stop(): void
}

export interface StrayWatchOptions extends Pick<StraysOptions, 'store'> {
  readonly lines: ReadonlyMap<string, WorkerLine>
  readonly loop: () => ExchangeLoop
  readonly worker: () => string | undefined
  readonly runtime: Runtime
  readonly onError: (error: unknown) => void
}

const LOOK_MS = 60_000
const SOON_MS = 250
const RETRY_MS = 1_000

export function createStrayWatch({ lines, worker, runtime, onError, ...options }: StrayWatchOptions): StrayWatch {
  let timer: Timer | undefined
  let stopped = false

  function lookIn(ms: number): void {
    timer?.cancel()
    if (stopped) return
    timer = runtime.setTimer(() => {
      look().then(
        () => lookIn(LOOK_MS),
        (error: unknown) => {
          if (isMillraceError(error, 'closed')) return
          onError(error)
          lookIn(RETRY_MS)
        },
      )
    }, ms)
  }

  async function look(): Promise<void> {
    const loop = options.loop()
    const given = await loop.alone(async () => {
      const me = worker()
      if (me === undefined) return 0
      const held = new Set(loop.unsettledClaims())
      for (const line of lines.values()) for (const { task } of line.held()) held.add(`${task.starts} ${task.id}`)
      const isHeld = (id: string, starts: number): boolean => held.has(`${starts} ${id}`)
      return giveBackStrays({ ...options, worker: me, isHeld })
    })
    if (given > 0) loop.hint()
  }

  return {
    start() {
      if (timer === undefined) lookIn(LOOK_MS)
    },
    suspect: () => lookIn(SOON_MS),
    stop() {
      stopped = true
      timer?.cancel()
    },
  }
}
