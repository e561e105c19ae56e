import type { Stores, TaskStore } from '@millrace/core/driver'
import { createLaneStore, createLaneWatch } from '../groups/lane.ts'
import { createLeaseStore } from '../groups/leases.ts'
import { createDeadLetterStore } from '../groups/letters.ts'
import { createLogIndex } from '../log/finding.ts'
import { createScheduleStore } from '../tasks/schedules.ts'
import { createSettingStore } from '../tasks/settings.ts'
import { createTaskAdmin } from '../tasks/task-admin.ts'
import { createTaskCalls } from '../tasks/task-calls.ts'
import { createTaskStore } from '../tasks/task-store.ts'
import type { Lifecycle, Session } from './lifecycle.ts'

/** What this driver has of the stores. */
type RedisStores = Required<Omit<Stores, 'outbox' | 'inbox'>> & { readonly tasks: Required<Omit<TaskStore, 'append'>> }

/** The stores over one Redis; they are made when the session is open. */
export function createStores(life: Lifecycle): Stores {
  let made: { readonly of: Session; readonly stores: RedisStores } | undefined
  const stores = (): RedisStores => {
    const session = life.current()
    if (made?.of !== session) made = { of: session, stores: storesOf(session) }
    return made.stores
  }
  return {
    leases: {
      join: async (member, beat) => stores().leases.join(member, beat),
      leave: async (member) => stores().leases.leave(member),
      expel: async (member, count) => stores().leases.expel(member, count),
      observe: async (group) => stores().leases.observe(group),
      claim: async (claim) => stores().leases.claim(claim),
      giveBack: async (lease) => stores().leases.giveBack(lease),
      putFilter: async (group, filter) => stores().leases.putFilter(group, filter),
    },
    lane: {
      add: async (entries, options) => stores().lane.add(entries, options),
      due: async (query) => stores().lane.due(query),
      settle: async (changes) => stores().lane.settle(changes),
      keys: async (query) => stores().lane.keys(query),
      unpark: async (key) => stores().lane.unpark(key),
      next: async (group) => stores().lane.next(group),
      counts: async (group) => stores().lane.counts(group),
    },
    deadLetters: {
      put: async (letters, token, options) => stores().deadLetters.put(letters, token, options),
      list: async (query) => stores().deadLetters.list(query),
      get: async (id) => stores().deadLetters.get(id),
      among: async (place, positions) => stores().deadLetters.among(place, positions),
      counts: async (query) => stores().deadLetters.counts(query),
      requeue: async (ids, options) => stores().deadLetters.requeue(ids, options),
      discard: async (ids) => stores().deadLetters.discard(ids),
    },
    index: {
      byId: async (id, source) => stores().index.byId(id, source),
      byCorrelation: async (correlationId, limit) => stores().index.byCorrelation(correlationId, limit),
    },
    tasks: {
      enqueue: async (tasks) => stores().tasks.enqueue(tasks),
      full: async (queues) => stores().tasks.full(queues),
      exchange: async (request) => stores().tasks.exchange(request),
      holders: async () => stores().tasks.holders(),
      running: async (worker) => stores().tasks.running(worker),
      reclaim: async (request) => stores().tasks.reclaim(request),
      get: async (ids) => stores().tasks.get(ids),
      outcomes: async (parent) => stores().tasks.outcomes(parent),
      listen: (listener) => stores().tasks.listen(listener),
    },
    taskAdmin: {
      list: async (query) => stores().taskAdmin.list(query),
      change: async (ids, change) => stores().taskAdmin.change(ids, change),
      ahead: async (id, limit) => stores().taskAdmin.ahead(id, limit),
      deadCounts: async (query) => stores().taskAdmin.deadCounts(query),
      logs: async (id) => stores().taskAdmin.logs(id),
      queues: async () => stores().taskAdmin.queues(),
      putQueue: async (queue) => stores().taskAdmin.putQueue(queue),
      removeQueue: async (name) => stores().taskAdmin.removeQueue(name),
      sweep: async () => stores().taskAdmin.sweep(),
    },
    schedules: {
      put: async (schedule, expectedVersion) => stores().schedules.put(schedule, expectedVersion),
      get: async (name) => stores().schedules.get(name),
      list: async (query) => stores().schedules.list(query),
      remove: async (name) => stores().schedules.remove(name),
      due: async (now, limit) => stores().schedules.due(now, limit),
      fire: async (firing) => stores().schedules.fire(firing),
    },
    settings: {
      get: async (name) => stores().settings.get(name),
      list: async (prefix) => stores().settings.list(prefix),
      put: async (name, value, expectedVersion) => stores().settings.put(name, value, expectedVersion),
    },
  }
}

function storesOf({ redis, registry, heartbeats, taskChanges }: Session): RedisStores {
  const lanes = createLaneWatch(redis)
  const calls = createTaskCalls(redis)
  return {
    leases: createLeaseStore(redis, registry, heartbeats),
    lane: createLaneStore(redis, lanes),
    deadLetters: createDeadLetterStore(redis, registry, lanes),
    index: createLogIndex(redis, registry),
    tasks: createTaskStore(calls, taskChanges),
    taskAdmin: createTaskAdmin(calls),
    schedules: createScheduleStore(redis, calls),
    settings: createSettingStore(redis, calls),
  }
}
