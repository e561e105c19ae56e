import type { Runtime } from '@millrace/core'

/** The way out to one client: what is written waits here, counted, until the client takes it. */
export interface Outlet {
  readonly body: ReadableStream<Uint8Array>
  /** Bytes that wait. */
  readonly waiting: number
  /** Fires when the client has gone or the outlet has been cut. */
  readonly gone: AbortSignal
  write(text: string): void
  /** Resolves true when everything has been taken, false when `timeoutMs` has passed before or the client has gone. */
  drained(timeoutMs: number): Promise<boolean>
  /** Drops what waits, gives the client a last text and closes the body. */
  end(lastText: string, options?: { readonly keepWaiting?: boolean }): void
}

const encoder = new TextEncoder()

/** An outlet; `cut` is called when the client has not even taken the last text `lingerMs` after the end. */
export function createOutlet({
  runtime,
  lingerMs,
  cut,
}: {
  runtime: Runtime
  lingerMs: number
  cut: () => void
}): Outlet {
  const gone = new AbortController()
  let queue: Uint8Array[] = []
  let waiting = 0
  let ended = false
  let wakePull: (() => void) | undefined
  let drainWaiters: ((drained: boolean) => void)[] = []

  const wakeDrained = (drained: boolean): void => {
    const waiters = drainWaiters
    drainWaiters = []
    for (const wake of waiters) wake(drained)
  }
  const leave = (): void => {
    gone.abort()
    queue = []
    waiting = 0
    wakePull?.()
    wakeDrained(false)
  }
  const push = (text: string): void => {
    const bytes = encoder.encode(text)
    queue.push(bytes)
    waiting += bytes.length
    wakePull?.()
  }

  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (queue.length === 0 && !ended && !gone.signal.aborted) {
          await new Promise<void>((resolve) => {
            wakePull = resolve
          })
          wakePull = undefined
        }
        if (queue.length > 0) {
          controller.enqueue(queue.length === 1 && queue[0] !== undefined ? queue[0] : Buffer.concat(queue))
          queue = []
          waiting = 0
          wakeDrained(true)
        } else {
          controller.close()
          gone.abort()
        }
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  )

  return {
    body,
    get waiting() {
      return waiting
    },
    gone: gone.signal,
    write(text) {
      if (!ended && !gone.signal.aborted) push(text)
    },
    drained(timeoutMs) {
      if (gone.signal.aborted) return Promise.resolve(false)
      if (waiting === 0) return Promise.resolve(true)
      return new Promise((resolve) => {
        const timer = runtime.setTimer(() => {
          drainWaiters = drainWaiters.filter((waiter) => waiter !== finish)
          resolve(false)
        }, timeoutMs)
        const finish = (drained: boolean): void => {
          timer.cancel()
          resolve(drained)
        }
        drainWaiters.push(finish)
      })
    },
    end(lastText, { keepWaiting = false } = {}) {
      if (ended || gone.signal.aborted) return
      ended = true
      if (!keepWaiting) {
        queue = []
        waiting = 0
      }
      push(lastText)
      const timer = runtime.setTimer(() => {
        cut()
        leave()
      }, lingerMs)
      gone.signal.addEventListener('abort', () => timer.cancel(), { once: true })
    },
  }
}
