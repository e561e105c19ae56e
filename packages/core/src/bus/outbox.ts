import type { OutboxRecord, OutboxStatus, OutboxStore, FailingRow } from '../driver/outbox-store.ts'
import type { TopicOptions } from '../driver/transport.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { openedInTime } from './opened-in-time.ts'

/** An event that is part of the caller's transaction: it is published when that commits. */
export interface Enlisted {
  readonly outcome: 'enlisted'
  readonly id: string
  readonly topic: string
}

/** Looking into the outbox, and putting right what could not be forwarded. */
export interface OutboxView {
  /** How much waits to be forwarded, for how long, and who forwards; undefined where nothing waits by design. */
  status(): Promise<OutboxStatus | undefined>
  /** Events that could not be forwarded yet, oldest first, each with its last error. */
  failing(options?: { readonly limit?: number }): Promise<readonly FailingRow[]>
  /** Makes failed rows due now; returns those that were there. */
  retry(rowIds: readonly string[]): Promise<readonly string[]>
  /** Drops rows for good: their events are never published. Returns those that were there. */
  discard(rowIds: readonly string[]): Promise<readonly string[]>
}

/** Joins events to the caller's transactions. */
export interface Outbox {
  /**
   * Writes records through the transaction; before it returns, where the handle is synchronous. How long a statement may take is for the
   * caller's own client to say: one that was given up could still be written.
   */
  enlist(tx: object, records: readonly OutboxRecord[]): Promise<void>
}

export interface OutboxOptions {
  readonly store: OutboxStore | undefined
  /** Whether the log to publish to lies in the database of the store. */
  readonly isOwnLog: boolean
  readonly topicOptions: (topic: string) => TopicOptions
  /** Opens the store. */
  readonly ready: () => Promise<void>
  readonly isReady: () => boolean
  readonly runtime: Runtime
  /** Milliseconds that an event may wait for the store to open. */
  readonly timeoutMs: number
  /** A row was written. */
  readonly onAdded: () => void
}

/** Events go straight into the log where the store can do that inside the transaction, else into rows that are forwarded. */
export function createOutbox(options: OutboxOptions): Outbox {
  const { store, isOwnLog, topicOptions, ready, isReady, onAdded, runtime, timeoutMs } = options

  async function write(outbox: OutboxStore, tx: object, records: readonly OutboxRecord[]): Promise<void> {
    if (appendsInside(outbox, isOwnLog)) return outbox.append(tx, records, { topicOptions })
    await outbox.add(tx, records)
    onAdded()
  }

  return {
    enlist(tx, records) {
      if (typeof tx !== 'object' || tx === null) {
        return Promise.reject(
          new MillraceError(
            'transaction_invalid',
            `The transaction is of type ${tx === null ? 'null' : typeof tx}; pass the handle of an open transaction.`,
            { path: 'tx' },
          ),
        )
      }
      if (store === undefined) return Promise.reject(noOutbox())
      if (isReady()) return write(store, tx, records)
      return openedInTime(runtime, timeoutMs, ready()).then(() => write(store, tx, records))
    },
  }
}

/** Whether the store gives positions inside the caller's transaction, so that no row ever waits. */
export function appendsInside(
  store: OutboxStore,
  isOwnLog: boolean,
): store is OutboxStore & { readonly append: NonNullable<OutboxStore['append']> } {
  return isOwnLog && store.append !== undefined
}

/** What operators see of it. */
export function createOutboxView(
  store: OutboxStore | undefined,
  { isOwnLog, ready }: { readonly isOwnLog: boolean; readonly ready: () => Promise<void> },
): OutboxView {
  async function opened(): Promise<OutboxStore> {
    await ready()
    if (store === undefined) throw noOutbox()
    return store
  }

  return {
    async status() {
      await ready()
      return store === undefined || appendsInside(store, isOwnLog) ? undefined : store.status()
    },
    failing: async ({ limit = 100 } = {}) => (await opened()).failing(limit),
    retry: async (rowIds) => (await opened()).resolve(rowIds, 'retry'),
    discard: async (rowIds) => (await opened()).resolve(rowIds, 'discard'),
  }
}

function noOutbox(): MillraceError {
  return new MillraceError(
    'capability_missing',
    'The engine has no SQL transaction that a publish could join. Use sqlite() or postgres(), or give the broker a "store" of them.',
    { path: 'tx' },
  )
}
