import type { Timer } from '@millrace/core/driver'
import type { FaultPoint } from '../file/fault-point.ts'
import type { Settings } from '../settings.ts'
import type { Touched } from '../write/tasks/task-cache.ts'

/** What a writer or reader needs from where it runs: a thread of its own, or the caller's thread and runtime. */
export interface Host {
  readonly settings: Settings
  now(): number
  monotonic(): number
  setTimer(run: () => void, ms: number): Timer
  /** Calls `run` when the calls that have arrived by now are all queued. */
  defer(run: () => void): void
  readonly fault: FaultPoint
  /** Sends the answers of one transaction, together. */
  reply(replies: readonly Reply[]): void
  /** Tells of topics that another process has written to. */
  changed(topics: readonly string[]): void
  /** Tells of queues that somebody has changed, with their counts of news. */
  queuesChanged(queues: Touched): void
}

/** A request: `id` names it in the reply; 0 wants none. */
export interface Call {
  readonly id: number
  readonly name: string
  readonly input: unknown
}

/** `unknown`: the commit failed, so the change may or may not be in the file. */
export interface Reply {
  readonly id: number
  readonly value?: unknown
  readonly error?: unknown
  readonly unknown?: boolean
}

/** The side that does the work. */
export interface Server {
  accept(call: Call): void
  /** Finishes what was accepted and closes the file. */
  close(): void
}
