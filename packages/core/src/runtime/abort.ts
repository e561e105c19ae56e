import { MillraceError } from './error.ts'
import type { Runtime } from './runtime.ts'

/** Whether it can be listened to: a signal of another realm or library is one, too. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  return (
    typeof value === 'object' &&
    value !== null &&
    'aborted' in value &&
    typeof value.aborted === 'boolean' &&
    'addEventListener' in value &&
    typeof value.addEventListener === 'function'
  )
}

/** Throws `aborted` when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal)
}

/** The error that stands for a fired signal; its reason is kept as the cause. */
export function abortedError(signal: AbortSignal): MillraceError {
  return new MillraceError('aborted', 'The operation was aborted by its signal.', { cause: signal.reason })
}

/** Resolves after `ms` milliseconds, or at once (without an error) when the signal fires. The process may end meanwhile unless `keepsAlive`. */
export function wait(runtime: Runtime, ms: number, signal?: AbortSignal, keepsAlive = false): Promise<void> {
  if (signal?.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const finish = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = runtime.setTimer(finish, ms, keepsAlive)
    signal?.addEventListener('abort', finish, { once: true })
  })
}
