import { createFifo } from '../bus/fifo.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { HeldTask } from './held-task.ts'

/** Tasks that are claimed and have not begun, in order. */
export interface TaskBuffer {
  readonly length: number
  push(held: HeldTask): void
  /** Whether there is a task, or a batch that is full or has waited for long enough. */
  readonly isReady: boolean
  /** The next tasks for one call, at most `size`. */
  next(size: number): readonly HeldTask[]
  all(): readonly HeldTask[]
  /** Takes out those beyond the first `keep`, if the first was claimed before `before`: the work takes longer than it did. */
  surplus(keep: number, before: number): readonly HeldTask[]
  drain(): readonly HeldTask[]
}

export interface TaskBufferOptions {
  readonly batch: { readonly size: number; readonly waitMs: number } | undefined
  readonly runtime: Runtime
  /** A batch that is not full has waited for long enough. */
  readonly onDue: () => void
  /** The time of a task was up before it began. */
  readonly onExpired: (held: HeldTask) => void
}

export function createTaskBuffer({ batch, runtime, onDue, onExpired }: TaskBufferOptions): TaskBuffer {
  const fifo = createFifo<HeldTask>()
  let timer: Timer | undefined
  let isDue = false

  function stopWaiting(): void {
    timer?.cancel()
    timer = undefined
    isDue = false
  }

  function isOver(held: HeldTask): boolean {
    const { expiresInMs } = held.task
    if (held.ended) return true
    if (expiresInMs === undefined || runtime.monotonic() - held.claimedAt < expiresInMs) return false
    onExpired(held)
    return true
  }

  return {
    get length() {
      return fifo.length
    },
    push: (held) => fifo.push(held),
    get isReady() {
      if (fifo.length === 0) return false
      if (batch === undefined || fifo.length >= batch.size || batch.waitMs === 0 || isDue) return true
      timer ??= runtime.setTimer(() => {
        isDue = true
        onDue()
      }, batch.waitMs)
      return false
    },
    next(size) {
      stopWaiting()
      const next: HeldTask[] = []
      while (next.length < size) {
        const held = fifo.shift()
        if (held === undefined) break
        if (!isOver(held)) next.push(held)
      }
      return next
    },
    all() {
      const waiting = fifo.drain()
      for (const held of waiting) fifo.push(held)
      return waiting
    },
    surplus(keep, before) {
      if (fifo.length <= keep) return []
      const waiting = fifo.drain()
      const isOld = (waiting[0]?.claimedAt ?? before) < before
      for (const held of isOld ? waiting.slice(0, keep) : waiting) fifo.push(held)
      return isOld ? waiting.slice(keep) : []
    },
    drain() {
      stopWaiting()
      return fifo.drain()
    },
  }
}
