import type { PublishRecord } from './record.ts'
import type { TopicOptions } from './transport.ts'

/**
 * Rows of the callers' own SQL transactions that become events after the commit. One process at a time, under a lease,
 * takes them in order and forwards them; the ids of the events make a second forwarding harmless.
 */
export interface OutboxStore {
  /**
   * Writes one row per record through the caller's open transaction, in the order given, all or nothing: they exist when
   * it commits and never when it rolls back. With a synchronous handle everything happens before the call returns.
   * Throws `transaction_invalid` for what is not an open transaction of this database, and `engine_*`.
   */
  add(tx: object, records: readonly OutboxRecord[]): Promise<void>

  /**
   * Stores records in the log of the same database inside the caller's transaction, all or nothing, and makes topics that
   * are missing: there is nothing to forward then. Only where one writer makes commit order and position order the same.
   * What the log has already, with the same content, stays as it is. Throws as `add`, and `event_conflict`, `topic_full`,
   * `limit_exceeded`.
   */
  readonly append?: (
    tx: object,
    records: readonly OutboxRecord[],
    options: { readonly topicOptions: (topic: string) => TopicOptions },
  ) => Promise<void>

  /** Who forwards. No clock is compared: a holder whose count has not moved for a whole lease on the observer's clock is dead. */
  observe(): Promise<RelayLease>

  /** Takes the lease if it is still the one observed; gives the new token, or undefined when somebody was faster. Atomic. */
  claim(owner: string, observed: RelayLease): Promise<number | undefined>

  /** Counts up for the holder; false when the token has moved on. */
  renew(token: number): Promise<boolean>

  /** Gives the lease up; does nothing when the token has moved on. */
  release(token: number): Promise<void>

  /**
   * Rows of committed transactions, oldest first, each key's in the order of its commits. Leaves out every row of a
   * key (of a topic) of which a row is not due yet, or that lies behind a row of its key that has failed: that one is tried
   * alone, so that none passes it. Does not remove them.
   */
  take(limit: number): Promise<readonly OutboxRow[]>

  /** Removes what is forwarded and notes what has failed, under the token, all or nothing. */
  settle(changes: OutboxChanges): Promise<'done' | 'fenced'>

  /** How much waits. Cheap: what lies beyond 10,000 rows is not counted. */
  status(): Promise<OutboxStatus>

  /** Rows that have failed, oldest first. */
  failing(limit: number): Promise<readonly FailingRow[]>

  /** An operator makes failed rows due at once, or removes them; returns those that were there. */
  resolve(rowIds: readonly string[], action: 'retry' | 'discard'): Promise<readonly string[]>

  /** Calls the listener when another process may have added rows: a hint, that may be lost. */
  readonly listen?: (listener: () => void) => OutboxHints
}

/** The listening to hints. */
export interface OutboxHints {
  /** Whether hints were seen to arrive; while they do not, rows are looked for more often. */
  readonly arriving: boolean
  stop(): void
}

/** An event for the outbox: its partition is chosen when it is forwarded. */
export type OutboxRecord = Omit<PublishRecord, 'partition'>

export interface OutboxRow extends OutboxRecord {
  readonly rowId: string
  /** Forwardings that have failed. */
  readonly attempts: number
}

export interface FailingRow {
  readonly rowId: string
  readonly topic: string
  readonly id: string
  readonly type: string
  readonly key: string | undefined
  readonly attempts: number
  readonly code: string
  readonly message: string
  /** Milliseconds until it is tried again; 0 when it is due. */
  readonly dueMs: number
}

export interface RelayLease {
  readonly owner: string | undefined
  readonly token: number
  readonly count: number
}

export interface OutboxChanges {
  readonly token: number
  readonly done: readonly string[]
  readonly failed: readonly {
    readonly rowId: string
    /** From now, in milliseconds. */
    readonly delayMs: number
    readonly code: string
    readonly message: string
  }[]
}

export interface OutboxStatus {
  readonly waiting: number
  /** False when there are more than were counted. */
  readonly exact: boolean
  /** Age in milliseconds of the oldest row. */
  readonly oldestMs: number | undefined
  /** Rows that have failed at least once. */
  readonly failing: number
  /** Who forwards. */
  readonly owner: string | undefined
}
