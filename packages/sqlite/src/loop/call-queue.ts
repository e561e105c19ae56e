import type { Call } from './host.ts'

/** Calls that wait for the writer. */
export interface CallQueue {
  readonly length: number
  push(call: Call): void
  /** What goes into the next transaction. */
  take(): readonly Call[]
}

/** Records that one transaction takes at most, so that the next batch is prepared while this one is on its way. */
const MOST_RECORDS = 500

/**
 * Progress goes first and by itself: handlers may wait for it, and without what is published it is not synced. Every other transaction
 * is of what has waited longest.
 */
export function createCallQueue(): CallQueue {
  let queue: Call[] = []
  let wentFirst = false

  function takeProgress(): readonly Call[] {
    const progress = queue.filter(isProgress)
    if (wentFirst || progress.length === queue.length) return []
    if (progress.length > 0) queue = queue.filter((call) => !isProgress(call))
    return progress
  }

  return {
    get length() {
      return queue.length
    },
    push: (call) => void queue.push(call),
    take() {
      const progress = takeProgress()
      wentFirst = progress.length > 0
      if (wentFirst) return progress
      let records = 0
      let count = 0
      for (const call of queue) {
        if (count > 0 && records + recordsOf(call) > MOST_RECORDS) break
        records += recordsOf(call)
        count += 1
      }
      const calls = queue.slice(0, count)
      queue = queue.slice(count)
      return calls
    },
  }
}

function isProgress({ name }: Call): boolean {
  return name === 'settle' || name === 'mark'
}

function recordsOf({ name, input }: Call): number {
  if (name === 'publish' || name === 'enqueue') return (input as { bodies: readonly string[] }).bodies.length
  return name === 'exchange' ? (input as { ids: readonly string[] }).ids.length + 1 : 1
}
