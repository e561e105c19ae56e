import type { OutboxStore } from '@millrace/core/driver'
import { appendRecords } from '../write/append.ts'
import { addToOutbox } from '../write/outbox.ts'
import type { CallerTransactions } from './caller-transaction.ts'
import type { Lifecycle } from './connection.ts'
import type { HandlerTransactions } from './handler-transactions.ts'

/**
 * The outbox of one file. What goes into this file's own log is appended inside the caller's transaction, since its writer lock makes
 * the order of commits that of the positions; rows wait only for a relay to another engine.
 */
export function createOutboxStore(
  life: Lifecycle,
  callers: CallerTransactions,
  handlers: HandlerTransactions,
): OutboxStore {
  return {
    async add(tx, records) {
      life.current()
      const handler = handlers.of(tx)
      if (handler !== undefined) return handler.write({ kind: 'add', records })
      callers.run(tx, (state) => addToOutbox(state, records))
    },
    async append(tx, records, { topicOptions }) {
      life.current()
      const handler = handlers.of(tx)
      if (handler === undefined) {
        return callers.run(tx, (state) => appendRecords(state, records, { get: topicOptions }))
      }
      const names = new Set(records.map(({ topic }) => topic))
      const topics = [...names].map((topic) => [topic, topicOptions(topic)] as const)
      handler.write({ kind: 'append', records, topics })
    },
    observe: async () => life.current().reader.call('observeRelay', undefined),
    claim: async (owner, observed) => life.current().writer.call('claimRelay', { owner, observed }),
    renew: async (token) => life.current().writer.call('renewRelay', { token }),
    release: async (token) => life.current().writer.call('releaseRelay', { token }),
    take: async (limit) => life.current().reader.call('takeOutbox', { limit }),
    settle: async (changes) => life.current().writer.call('settleOutbox', changes),
    status: async () => life.current().reader.call('outboxStatus', undefined),
    failing: async (limit) => life.current().reader.call('failingRows', { limit }),
    resolve: async (rowIds, action) => life.current().writer.call('resolveOutbox', { rowIds, action }),
  }
}
