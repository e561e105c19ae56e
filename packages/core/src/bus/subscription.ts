import type { Backoff } from '../runtime/backoff.ts'
import type { StartAt } from '../driver/transport.ts'
import type { Middleware } from './handler.ts'
import type { InboxOptions } from './inbox-handler.ts'

/** When and how often a failed event is tried again. */
export interface RetryPolicy {
  /** Attempts in all, the first included. Default 5. */
  readonly attempts?: number
  readonly backoff?: Partial<Backoff>
  /** False sends the event to the dead letters at once. */
  readonly retryIf?: (error: unknown, attempt: number) => boolean
}

export interface SubscribeOptions {
  /** The durable name: members that share it share the work. */
  readonly group: string
  /** Where a new group begins; a group that exists goes on where it was. Default `latest`. */
  readonly from?: StartAt | Date
  /** Handlers at once, over all keys. Default 16. */
  readonly concurrency?: number
  /** `key` (default): one at a time by key. `topic`: one at a time, in the order of the topic, which must have one partition. `none`. */
  readonly ordering?: 'key' | 'topic' | 'none'
  readonly retry?: RetryPolicy
  /** Milliseconds for one attempt; default 30,000; 0 is without limit. */
  readonly timeout?: number
  readonly onDeadLetter?: 'continue' | 'park-key'
  /** Events fetched and not settled, per partition. Default 10,000. */
  readonly readAhead?: number
  /** Entries that the side lane of the group may hold. Default 100,000. */
  readonly laneCapacity?: number
  readonly middleware?: readonly Middleware[]
  /**
   * Applies what the handler writes through its `tx` once per event, across crashes, retries and takeovers. Needs an engine or a
   * store with SQL transactions.
   */
  readonly inbox?: boolean | InboxOptions
  /**
   * Where the group reads when a backbone has both a `log` and a `transport`: from the transport (default), which the relay
   * feeds, or from the log itself.
   */
  readonly via?: 'transport' | 'log'
}

/** A running subscription. */
export interface Subscription {
  readonly group: string
  readonly state: 'running' | 'paused' | 'stopping' | 'stopped'
  /** Resolves when this member has its first share of partitions. */
  readonly ready: Promise<void>
  /** How many events are handled right now. */
  readonly inFlight: number
  pause(): void
  resume(): void
  /** Changes how many handlers run at once, from now on. */
  setConcurrency(concurrency: number): void
  /** Stops fetching, lets running handlers finish for at most `timeoutMs` (default 10,000), gives the rest back. */
  stop(options?: { readonly timeoutMs?: number }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
