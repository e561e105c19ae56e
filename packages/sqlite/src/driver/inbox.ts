import type { InboxStore } from '@millrace/core/driver'
import type { HandlerWrite } from '../write/inbox.ts'
import type { Lifecycle } from './connection.ts'
import { listOf, type HandlerTransactions } from './handler-transactions.ts'

/**
 * The inbox of one file: what a handler writes is kept here until it has ended, and then applied by the writer together with
 * what others wait for, in one transaction. No handler holds the file's writer.
 */
export function createInboxStore(life: Lifecycle, handlers: HandlerTransactions): InboxStore {
  return {
    async open(entry) {
      const { group, source, id, generation } = entry
      if (await life.current().reader.call('inboxHas', { group, source, id, generation })) return 'seen'
      const open = handlers.open()
      return {
        tx: open.tx,
        async commit(statements) {
          open.end()
          const { writer, changes } = life.current()
          const returned = listOf(statements).map((statement) => ({ kind: 'statement' as const, statement }))
          const writes: HandlerWrite[] = [...open.writes, ...returned]
          try {
            return await writer.call('applyInbox', { entry, writes })
          } finally {
            // Also when it has failed: it may be in the file all the same.
            changes.announce(topicsOf(writes))
          }
        },
        async rollback() {
          open.end()
        },
      }
    },
  }
}

function topicsOf(writes: readonly HandlerWrite[]): ReadonlySet<string> {
  return new Set(writes.flatMap((write) => (write.kind === 'append' ? write.records.map(({ topic }) => topic) : [])))
}
