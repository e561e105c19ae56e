import type { Stores } from '@millrace/core/driver'
import { createLaneStore, createLaneWatch } from '../groups/lane.ts'
import { createLeaseStore } from '../groups/leases.ts'
import { createDeadLetterStore } from '../groups/letters.ts'
import { createLogIndex } from '../log/finding.ts'
import type { Lifecycle, Session } from './lifecycle.ts'

/** The stores over one Redis; they are made when the session is open. */
export function createStores(life: Lifecycle): Stores {
  let made: { readonly of: Session; readonly stores: Stores } | undefined
  const stores = (): Stores => {
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
  }
}

function storesOf({ redis, registry, heartbeats }: Session): Stores {
  const lanes = createLaneWatch(redis)
  return {
    leases: createLeaseStore(redis, registry, heartbeats),
    lane: createLaneStore(redis, lanes),
    deadLetters: createDeadLetterStore(redis, registry, lanes),
    index: createLogIndex(redis, registry),
  }
}
