import type { DeadLetterStore } from '../driver/dead-letter-store.ts'
import type { LaneStore } from '../driver/lane-store.ts'
import type { LeaseStore } from '../driver/lease-store.ts'
import type { LogIndex } from '../driver/log-index.ts'
import { addToLane, laneCounts, laneDue, laneKeys, laneNext, settleLane, unparkKey } from './lane-operations.ts'
import { discardLetters, lettersAmong, putLetters, requeueLetters } from './letter-operations.ts'
import type { Instant, MemoryEngine } from './engine.ts'
import type { Heartbeats } from './heartbeat.ts'
import { claim, expel, giveBack, join, leave, observe, putFilter } from './leases.ts'

/** Throws `closed` unless the driver is connected. */
export type Guard = () => MemoryEngine

export function createLeaseStore(guard: Guard, heartbeats: Heartbeats): LeaseStore {
  return {
    async join(member, options) {
      join(guard(), member)
      heartbeats.start(member, options)
    },
    async leave(member) {
      heartbeats.stop(member)
      leave(guard(), member)
    },
    async expel(member, count) {
      expel(guard(), member, count)
    },
    observe: async (group) => observe(guard(), group),
    claim: async (wanted) => claim(guard(), wanted),
    giveBack: async (lease) => giveBack(guard(), lease),
    putFilter: async (group, filter) => putFilter(guard(), group, filter),
  }
}

export function createLaneStore(guard: Guard, instant: () => Instant): LaneStore {
  return {
    add: async (entries, options) => addToLane(guard(), entries, options, instant().monotonic),
    due: async (query) => laneDue(guard(), query, instant().monotonic),
    settle: async (changes) => settleLane(guard(), changes, instant().monotonic),
    keys: async (query) => laneKeys(guard(), query),
    async unpark(key) {
      unparkKey(guard(), key)
    },
    next: async (group) => laneNext(guard(), group, instant().monotonic),
    counts: async (group) => laneCounts(guard(), group, instant().monotonic),
  }
}

export function createDeadLetterStore(guard: Guard, instant: () => Instant): DeadLetterStore {
  return {
    put: async (letters, token, { park = false } = {}) => putLetters(guard(), letters, { token, park }),
    list: async (query) => guard().letters.list(query),
    get: async (id) => guard().letters.get(id),
    among: async (place, positions) => lettersAmong(guard(), place, positions),
    counts: async (query = {}) => guard().letters.counts(query.group),
    requeue: async (ids, options = {}) => requeueLetters(guard(), ids, options.replace, instant().monotonic),
    discard: async (ids) => discardLetters(guard(), ids),
  }
}

export function createLogIndex(guard: Guard): LogIndex {
  return {
    async byId(id, source) {
      const events = [...guard().index.byId(id)]
      return events
        .filter((event) => source === undefined || event.source === source)
        .slice(0, 100)
        .map(({ record }) => record)
    },
    async byCorrelation(correlationId, limit) {
      const records = [...guard().index.byCorrelation(correlationId)].map(({ record }) => record)
      return records
        .toSorted(
          (a, b) => a.recordedAt - b.recordedAt || a.partition - b.partition || (a.position < b.position ? -1 : 1),
        )
        .slice(0, limit)
    },
  }
}
