import { nextTick } from 'node:process'

/**
 * Calls `next` when every promise that could settle now has settled: a tick that is asked for from a microtask runs after
 * the whole queue of microtasks. Much cheaper than a turn of the event loop, which would give the same guarantee.
 */
export function afterPromises(next: () => void): void {
  queueMicrotask(() => nextTick(next))
}

/** Resolves when every promise that could settle now has settled. */
export function settlePromises(): Promise<void> {
  return new Promise((resolve) => afterPromises(resolve))
}
