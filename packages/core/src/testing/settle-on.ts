import type { TestRuntime } from './test-runtime.ts'

/**
 * The outcome of a promise, moving the clock of a test as far as that needs. Rejects as the promise does, or when it has not settled
 * after `withinMs` (default an hour) of the test's time.
 *
 * @example
 * const handle = await settleOn(runtime, millrace.enqueue(BuildReport, { month: '2026-01' }, { delay: 60_000 }))
 * await settleOn(runtime, handle.result())
 */
export async function settleOn<Value>(
  runtime: TestRuntime,
  promise: Promise<Value>,
  { withinMs = 3_600_000 }: { readonly withinMs?: number } = {},
): Promise<Value> {
  let settled = false
  const end = (): void => void (settled = true)
  promise.then(end, end)
  await runtime.advanceUntil(() => settled, { withinMs })
  return promise
}
