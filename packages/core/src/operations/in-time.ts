import type { Runtime } from '../runtime/runtime.ts'

/** Settles as the promise does, or rejects with `late()` after `ms` milliseconds (0: never). The promise goes on unheard. */
export function inTime<Value>(
  runtime: Runtime,
  promise: Promise<Value>,
  { ms, late }: { readonly ms: number; readonly late: () => Error },
): Promise<Value> {
  if (ms === 0) return promise
  return new Promise((resolve, reject) => {
    const timer = runtime.setTimer(() => reject(late()), ms)
    promise.then(resolve, reject).finally(() => timer.cancel())
  })
}
