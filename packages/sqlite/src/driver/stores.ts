import type { Runtime, Stores } from '@millrace/core/driver'
import type { Settings } from '../settings.ts'
import { createCallerTransactions } from './caller-transaction.ts'
import type { Lifecycle } from './connection.ts'
import { createHandlerTransactions } from './handler-transactions.ts'
import { createInboxStore } from './inbox.ts'
import { createOutboxStore } from './outbox.ts'
import { createScheduleStore, createSettingStore, createTaskAdmin } from './task-admin.ts'
import { createTaskStore } from './tasks.ts'

/** The stores over one file: what changes goes to the writer, what looks goes to the reader. */
export function createStores(life: Lifecycle, settings: Settings, runtime: Runtime): Stores {
  const handlers = createHandlerTransactions()
  const callers = createCallerTransactions(settings, runtime)
  const write: () => ReturnType<Lifecycle['current']>['writer'] = () => life.current().writer
  const read: () => ReturnType<Lifecycle['current']>['reader'] = () => life.current().reader
  return {
    leases: {
      join: async (member, beat) => write().call('join', { member, beat }),
      leave: async (member) => write().call('removeMember', member),
      expel: async (member, count) => write().call('expel', { member, count }),
      observe: async (group) => read().call('observe', { group }),
      claim: async (claim) => write().call('claim', claim),
      giveBack: async (lease) => write().call('giveBack', lease),
      putFilter: async (group, filter) => write().call('putFilter', { group, filter }),
    },
    lane: {
      add: async (entries, options) => write().call('addToLane', { entries, ...options }),
      due: async (query) => read().call('dueEntries', query),
      settle: async (changes) => write().call('settleLane', changes),
      keys: async (query) => read().call('laneKeys', query),
      unpark: async (key) => write().call('unpark', key),
      next: async (group) => read().call('laneNext', { group }),
      counts: async (group) => read().call('laneCounts', { group }),
    },
    deadLetters: {
      put: async (letters, token, { park = false } = {}) => write().call('putDeadLetters', { letters, token, park }),
      list: async (query) => read().call('listDeadLetters', query),
      get: async (id) => read().call('getDeadLetter', { id }),
      among: async (place, positions) => read().call('deadLettersAmong', { place, positions }),
      counts: async (query) => read().call('countDeadLetters', { group: query?.group }),
      requeue: async (ids, options) => write().call('requeue', { ids, ...options }),
      discard: async (ids) => write().call('discard', { ids }),
    },
    index: {
      byId: async (id, source) => read().call('findById', { id, source }),
      byCorrelation: async (correlationId, limit) => read().call('findByCorrelation', { correlationId, limit }),
    },
    outbox: createOutboxStore(life, callers, handlers),
    inbox: createInboxStore(life, handlers),
    tasks: createTaskStore(life, callers, handlers),
    taskAdmin: createTaskAdmin(life),
    schedules: createScheduleStore(life),
    settings: createSettingStore(life),
  }
}
