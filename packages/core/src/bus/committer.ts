import { isMillraceError, MillraceError } from '../runtime/error.ts'
import { backoffDelay } from '../runtime/backoff.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** Stores progress: one commit at a time, everything that is dirty in it. */
export interface Committer {
  /** There is something new to store; it will be, shortly. */
  touch(): void
  /** Resolves when everything that is dirty now is stored. Rejects only with `closed`. */
  flush(): Promise<void>
  /** Fails what waits and stores nothing more. */
  close(): void
}

const RETRY_BACKOFF = { first: 50, factor: 2, ceiling: 2_000 }

/**
 * `commit` stores everything dirty and rejects when it could not; it is then called again with back-off for as long as
 * it takes, since progress that is not stored is only a duplicate, while progress that is forgotten would be a stop.
 */
export function createCommitter({
  commit,
  runtime,
  lingerMs,
  onError,
}: {
  readonly commit: () => Promise<void>
  readonly runtime: Runtime
  readonly lingerMs: number
  readonly onError: (error: unknown) => void
}): Committer {
  let dirty = false
  let working = false
  let closed = false
  let timer: { cancel(): void } | undefined
  let waiters: { resolve(): void; reject(error: unknown): void }[] = []

  async function work(): Promise<void> {
    working = true
    let failures = 0
    while (dirty && !closed) {
      dirty = false
      const served = waiters
      waiters = []
      try {
        await commit()
        failures = 0
        for (const waiter of served) waiter.resolve()
      } catch (error) {
        dirty = true
        waiters = [...served, ...waiters]
        if (closed || isMillraceError(error, 'closed')) {
          closed = true
          break
        }
        failures += 1
        if (failures === 1) onError(error)
        await new Promise<void>(
          (resolve) =>
            void runtime.setTimer(resolve, backoffDelay(RETRY_BACKOFF, failures, 0.5 + runtime.random() / 2)),
        )
      }
    }
    working = false
    if (closed) rejectWaiters()
  }

  function rejectWaiters(): void {
    const failed = waiters
    waiters = []
    for (const waiter of failed) waiter.reject(closedError())
  }

  function begin(): void {
    timer?.cancel()
    timer = undefined
    if (!working && !closed) void work()
  }

  return {
    touch() {
      dirty = true
      if (working || closed || timer !== undefined) return
      timer = runtime.setTimer(begin, lingerMs)
    },
    flush() {
      if (closed) return Promise.reject(closedError())
      dirty = true
      return new Promise((resolve, reject) => {
        waiters.push({ resolve, reject })
        begin()
      })
    },
    close() {
      closed = true
      timer?.cancel()
      if (!working) rejectWaiters()
    },
  }
}

function closedError(): MillraceError {
  return new MillraceError('closed', 'The subscription is closed: its progress is not stored any more.')
}
