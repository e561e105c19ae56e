import { abortedError } from '../runtime/abort.ts'

/** Rejects with `aborted` as soon as the signal fires, if `may` says so then; the promise goes on unheard. */
export function abortable<Value>(
  promise: Promise<Value>,
  signal: AbortSignal,
  may: () => boolean = () => true,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      if (may()) reject(abortedError(signal))
    }
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
