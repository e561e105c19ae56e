import type { Stores } from '@millrace/core/driver'
import type { Database } from '../database/database.ts'
import { countDeadLetters, deadLettersAmong, getDeadLetter, listDeadLetters } from '../store/dead-letter-view.ts'
import { discard, putDeadLetters, requeue } from '../store/dead-letters.ts'
import { findByCorrelation, findById } from '../store/find.ts'
import { addToLane, settleLane, unpark } from '../store/lane.ts'
import { dueEntries, laneCounts, laneKeys, laneNext } from '../store/lane-view.ts'
import { createLeaseStore } from '../store/leases.ts'
import { createHandlerTransactions } from '../inbox/handler-transactions.ts'
import { createInboxStore } from '../inbox/inbox.ts'
import type { InboxPool } from '../inbox/inbox-pool.ts'
import { createOutboxStore } from '../outbox/outbox.ts'
import { createScheduleStore } from '../tasks/schedule-store.ts'
import { createSettingStore } from '../tasks/setting-store.ts'
import { createTaskAdmin } from '../tasks/task-admin.ts'
import { createTaskStore } from '../tasks/task-store.ts'
import type { Lifecycle } from './connection.ts'

/** The stores over one schema. */
export function createStores({ current }: Lifecycle, inboxPool: InboxPool): Stores {
  const handlers = createHandlerTransactions()
  const database = (): Database => current().database
  return {
    leases: createLeaseStore(current),
    lane: {
      add: async (entries, options) => addToLane(database(), entries, options),
      due: async (query) => dueEntries(database(), query),
      settle: async (changes) => settleLane(database(), changes),
      keys: async (query) => laneKeys(database(), query),
      unpark: async (key) => unpark(database(), key),
      next: async (group) => laneNext(database(), group),
      counts: async (group) => laneCounts(database(), group),
    },
    deadLetters: {
      put: async (letters, token, { park = false } = {}) => putDeadLetters(database(), letters, { token, park }),
      list: async (query) => listDeadLetters(database(), query),
      get: async (id) => getDeadLetter(database(), id),
      among: async (place, positions) => deadLettersAmong(database(), place, positions),
      counts: async (query) => countDeadLetters(database(), query?.group),
      requeue: async (ids, options) => requeue(database(), ids, options?.replace),
      discard: async (ids) => discard(database(), ids),
    },
    index: {
      byId: async (id, source) => findById(database(), id, source),
      byCorrelation: async (correlationId, limit) => findByCorrelation(database(), correlationId, limit),
    },
    outbox: createOutboxStore(current, handlers),
    inbox: createInboxStore(current, inboxPool, handlers),
    tasks: createTaskStore(current, handlers),
    taskAdmin: createTaskAdmin(current),
    schedules: createScheduleStore(current),
    settings: createSettingStore(current),
  }
}
