import { bulkhead, isBulkheadRejectedError, isTaskCancelledError } from 'cockatiel'
import { abortedError } from '../runtime/abort.ts'
import { MillraceError } from '../runtime/error.ts'
import type { OperationStatus } from './operation.ts'

/** Bounds how many calls run here at once. */
export interface Bulkhead {
  readonly status: OperationStatus['here']
  /** Throws `bulkhead_full` when a call would be refused now. */
  assertRoom(): void
  /** Runs the call when there is room. Throws `bulkhead_full`, and `aborted` when the signal fires while it waits. */
  execute<Value>(call: () => Promise<Value>, signal: AbortSignal): Promise<Value>
}

/** `concurrency` calls at once, and `queued` that wait. Throws nothing else than its calls do. */
export function createBulkhead(
  operation: string,
  { concurrency, queued }: { readonly concurrency: number; readonly queued: number },
): Bulkhead {
  const policy = bulkhead(concurrency, queued)

  function full(): MillraceError {
    return new MillraceError(
      'bulkhead_full',
      `The operation "${operation}" runs ${concurrency} times here and ${queued} calls wait. Try again later, or raise its limits.`,
      { retriable: true, facts: { operation, concurrency, queued } },
    )
  }

  return {
    get status() {
      return {
        running: concurrency - policy.executionSlots,
        queued: queued - policy.queueSlots,
        concurrency,
        room: policy.executionSlots + policy.queueSlots,
      }
    },
    async execute(call, signal) {
      try {
        return await policy.execute(call, signal)
      } catch (error) {
        if (isTaskCancelledError(error)) throw abortedError(signal)
        throw isBulkheadRejectedError(error) ? full() : error
      }
    },
    assertRoom() {
      if (policy.executionSlots + policy.queueSlots <= 0) throw full()
    },
  }
}
