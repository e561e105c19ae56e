import type { EventMetadata } from '../contract/event.ts'
import type { Dedupe } from './dedupe.ts'
import type { Priority } from './priority.ts'
import type { BackoffRule } from './retries.ts'

/** What `enqueue` accepts beside the input; it wins over what the definition says. */
export interface EnqueueOptions {
  /** 1-256 bytes; a new UUIDv7 when absent. Adding the same id again adds nothing. */
  readonly id?: string
  /** Milliseconds until it is due. */
  readonly delay?: number
  /** When it is due, instead of `delay`. */
  readonly runAt?: Date
  readonly priority?: Priority
  /** A key (`keep` until it has ended), or all of it; false where the definition's is not wanted. */
  readonly dedupe?: string | Dedupe | false
  /** Milliseconds after which it is not started any more; at most ten years. */
  readonly expiresAfter?: number
  /** When it is not started any more, instead of `expiresAfter`; ten years from now at the latest. */
  readonly expiresAt?: Date
  /** In all, the first included; instead of the definition's. */
  readonly attempts?: number
  /** Instead of the definition's; travels with the task. */
  readonly backoff?: BackoffRule
  /** Milliseconds of one attempt; instead of the definition's. */
  readonly timeout?: number
  readonly key?: string
  readonly tenant?: string
  /** Flow, user and trace; inherited from the event or task being handled. */
  readonly metadata?: Partial<EventMetadata>
  readonly signal?: AbortSignal
}

/** Options of a task that becomes part of the caller's own SQL transaction: it is there when that commits. */
export interface EnqueueInTransaction extends EnqueueOptions {
  readonly tx: object
}

/** Options of many tasks: those of one, but the id, which each gets by itself. */
export type EnqueueManyOptions = Omit<EnqueueOptions, 'id'>
