import { MillraceError } from './error.ts'
import type { Runtime } from './runtime.ts'

/** Throws `aborted` when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal)
}

/** The error that stands for a fired signal; its reason is kept as the cause. */
export function abortedError(signal: AbortSignal): MillraceError {
  return new MillraceError('aborted', 'The operation was aborted by its signal.', { cause: signal.reason })
}

/** Resolves after `ms` milliseconds, or at once (without an error) when the signal fires. */
export function wait(runtime: Runtime, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const finish = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = runtime.setTimer(finish, ms)
    signal?.addEventListener('abort', finish, { once: true })
  })
}
