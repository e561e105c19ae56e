import type { Runtime, Timer } from '@millrace/core/driver'

/** Ends calls that do not come back. All have the same time, so that one timer serves them. */
export interface Deadlines {
  /** The value of the call, or the error of `late` when its time is up. */
  guard<Value>(call: Promise<Value>): Promise<Value>
  /** Resolves when no call is under way. */
  idle(): Promise<void>
}

interface Waiting {
  readonly until: number
  done: boolean
  fail(): void
}

/** Deadlines of `timeoutMs` milliseconds; `onLate` is told of each call that was given up. */
export function createDeadlines(runtime: Runtime, timeoutMs: number, late: () => Error): Deadlines {
  let queue: Waiting[] = []
  let head = 0
  let open = 0
  let timer: Timer | undefined
  let idleWaiters: (() => void)[] = []

  function look(): void {
    timer = undefined
    const now = runtime.monotonic()
    for (; head < queue.length; head += 1) {
      const next = queue[head]
      if (next === undefined || next.done) continue
      if (next.until > now) break
      next.fail()
    }
    if (head > 0) {
      queue = queue.slice(head)
      head = 0
    }
    schedule()
  }

  function schedule(): void {
    const next = queue[head]
    if (timer !== undefined || next === undefined) return
    timer = runtime.setTimer(look, Math.max(1, next.until - runtime.monotonic()))
  }

  function finish(waiting: Waiting): void {
    waiting.done = true
    open -= 1
    if (open > 0) return
    queue = []
    head = 0
    timer?.cancel()
    timer = undefined
    const waiters = idleWaiters
    idleWaiters = []
    for (const wake of waiters) wake()
  }

  return {
    guard(call) {
      return new Promise((resolve, reject) => {
        const waiting: Waiting = {
          until: runtime.monotonic() + timeoutMs,
          done: false,
          fail() {
            finish(waiting)
            reject(late())
          },
        }
        queue.push(waiting)
        open += 1
        schedule()
        call.then(
          (value) => {
            if (waiting.done) return
            finish(waiting)
            resolve(value)
          },
          (error: unknown) => {
            if (waiting.done) return
            finish(waiting)
            reject(error)
          },
        )
      })
    },
    idle: () => (open === 0 ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve))),
  }
}
