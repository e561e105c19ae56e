import type { StoredEvent } from '../contract/event.ts'
import type { HandlerTransaction, InboxStore, SqlStatement } from '../driver/inbox-store.ts'
import { leaseLost, partitionOfDelivery } from './execution.ts'
import type { Delivery, Handler, HandlerResult } from './handler.ts'
import type { InboxDelivery, InboxHandler, InboxHandlerResult } from './inbox-handler.ts'
import type { PartitionRun } from './partition-run.ts'

/** What a handler with an inbox works with. */
export interface InboxSetup {
  readonly store: InboxStore
  readonly group: string
  readonly keepMs: number
  /** Whether the leases of the group are in the database of the inbox, so that a commit can be refused by them. */
  readonly isFenced: boolean
  readonly onFenced: (run: PartitionRun) => void
}

/**
 * A handler whose effects happen once: they, and the row that says so, are one transaction under the lease. An event whose row is
 * there is done without its handler.
 */
export function applyOnce(handler: InboxHandler, setup: InboxSetup): Handler {
  const { store, group, keepMs, isFenced } = setup

  function lose(run: PartitionRun): Error {
    setup.onFenced(run)
    return leaseLost()
  }

  return async (event, delivery) => {
    const run = partitionOfDelivery(delivery)
    const { topic, partition, token } = run
    const { source, id } = event as StoredEvent
    const lease = isFenced ? { topic, partition, token } : undefined
    const work = await store.open({ group, source, id, generation: delivery.generation, keepMs, lease })
    if (work === 'seen') return undefined
    if (work === 'fenced') throw lose(run)
    try {
      const result = await handler(event, withTransaction(delivery, work.tx))
      if (isRefusal(result)) {
        await work.rollback()
        return result
      }
      // The time of this attempt was up, or the partition has gone: somebody else does it.
      delivery.signal.throwIfAborted()
      if ((await work.commit(statementsOf(result))) === 'fenced') throw lose(run)
      return undefined
    } catch (error) {
      await work.rollback().catch(() => {})
      throw error
    }
  }
}

function withTransaction(delivery: Delivery, tx: HandlerTransaction): InboxDelivery {
  const { group, attempt, generation, position } = delivery
  return {
    group,
    attempt,
    generation,
    position,
    get signal() {
      return delivery.signal
    },
    tx,
  }
}

function isRefusal(result: InboxHandlerResult): result is Exclude<HandlerResult, void> {
  return typeof result === 'object' && result !== null && 'outcome' in result
}

function statementsOf(result: Exclude<InboxHandlerResult, { readonly outcome: string }>): readonly SqlStatement[] {
  if (Array.isArray(result)) return result as readonly SqlStatement[]
  return typeof result === 'object' && result !== null && 'sql' in result ? [result] : []
}
