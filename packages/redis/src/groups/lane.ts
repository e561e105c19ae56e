import { type LaneKey, type LaneNext, type LaneStore, MillraceError } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { placeName } from '../keys.ts'
import { pairsOf } from '../log/registry.ts'
import { ADD_TO_LANE, LANE_COUNTS, LANE_DUE, LANE_KEYS, LANE_NEXT, SETTLE_LANE, UNPARK } from '../scripts/lane.ts'
import { decodeEntry, encodeRest, identityOf, keyOfQueue, queueOf } from './lane-entry.ts'

/** The side lanes of groups, each in one slot. */
export function createLaneStore(redis: Connection, lanes: LaneWatch): LaneStore {
  const keysOf = (group: string): { readonly keys: string[]; readonly prefix: string } => {
    const { leases, lane, laneIds, laneNumber, lanePrefix } = redis.keys.group(group)
    return { keys: [leases, lane, laneIds, laneNumber], prefix: lanePrefix }
  }

  return {
    async add(entries, { token, capacity }) {
      for (const [group, added] of Map.groupBy(entries, (entry) => entry.group)) {
        const { keys, prefix } = keysOf(group)
        const args = added.flatMap(({ laneKey, record, delayMs, attempts, firstFailedAt, reason, generation }) => [
          placeName(record.topic, record.partition),
          queueOf(laneKey),
          record.position,
          identityOf(record, generation),
          String(Math.max(0, Math.round(delayMs))),
          String(attempts),
          firstFailedAt === undefined ? '' : String(firstFailedAt),
          encodeRest({ laneKey, record, reason, generation }),
        ])
        const fence = token === undefined ? '' : String(token)
        lanes.changed(group)
        const outcome = await redis.run(ADD_TO_LANE, keys, [prefix, fence, String(capacity), ...args])
        lanes.changed(group)
        if (outcome === 'full') throw laneFull(group, capacity)
        if (outcome === 'fenced') return 'fenced'
      }
      return 'added'
    },
    async due({ group, topic, partition, limit }) {
      const { keys, prefix } = keysOf(group)
      const args = [prefix, placeName(topic, partition), String(limit)]
      const reply = (await redis.run(LANE_DUE, keys, args)) as readonly string[]
      return pairsOf(reply).map(([entryId, stored]) => decodeEntry(group, entryId, stored))
    },
    async settle({ group, topic, partition, token, done, postponed, park = [] }) {
      const { keys, prefix } = keysOf(group)
      const later = postponed.flatMap(({ entryId, delayMs, attempts, firstFailedAt }) => [
        entryId,
        String(Math.max(0, Math.round(delayMs))),
        String(attempts),
        firstFailedAt === undefined ? '' : String(firstFailedAt),
      ])
      const args = [String(done.length), ...done, String(postponed.length), ...later, ...park.map(queueOf)]
      lanes.changed(group)
      const outcome = await redis.run(SETTLE_LANE, keys, [prefix, placeName(topic, partition), String(token), ...args])
      lanes.changed(group)
      return outcome === 'fenced' ? 'fenced' : 'done'
    },
    async keys({ group, topic, partition, only }) {
      if (only?.length === 0) return new Map()
      const { keys, prefix } = keysOf(group)
      const names = (only ?? []).map(queueOf)
      const reply = await redis.run(LANE_KEYS, keys, [prefix, placeName(topic, partition), ...names])
      const [sizes, parked] = reply as readonly [unknown, readonly string[]]
      const found = new Map<string, LaneKey>()
      for (const [name, size] of pairsOf(sizes)) found.set(keyOfQueue(name), { waiting: Number(size), parked: false })
      for (const name of parked) {
        const key = keyOfQueue(name)
        found.set(key, { waiting: found.get(key)?.waiting ?? 0, parked: true })
      }
      return found
    },
    async unpark({ group, topic, partition, key }) {
      const { keys, prefix } = keysOf(group)
      await redis.run(UNPARK, keys, [prefix, placeName(topic, partition), queueOf(key)])
      lanes.changed(group)
    },
    next: (group) =>
      lanes.next(group, async () => {
        const { keys, prefix } = keysOf(group)
        const [held = 0, dueIn = -1] = (await redis.run(LANE_NEXT, keys, [prefix])) as readonly number[]
        return { isEmpty: held === 0, dueInMs: dueIn < 0 ? undefined : dueIn }
      }),
    async counts(group) {
      const { keys, prefix } = keysOf(group)
      const reply = (await redis.run(LANE_COUNTS, keys, [prefix])) as readonly number[]
      const [waiting = 0, due = 0, parked = 0, known = 0] = reply
      return { waiting, due, parked, keys: known }
    },
  }
}

/** Remembers that a lane is empty, so that looking at it again and again costs nothing. */
export interface LaneWatch {
  /** This process has changed the lane of the group. */
  changed(group: string): void
  next(group: string, look: () => Promise<LaneNext>): Promise<LaneNext>
}

/** How long a lane that was empty is taken for empty, in milliseconds: what another process puts in is seen that late. */
const EMPTY_FOR_MS = 5_000
const EMPTY: LaneNext = { isEmpty: true, dueInMs: undefined }

export function createLaneWatch(redis: Connection): LaneWatch {
  const emptyUntil = new Map<string, number>()
  const changes = new Map<string, number>()
  return {
    changed(group) {
      emptyUntil.delete(group)
      changes.set(group, (changes.get(group) ?? 0) + 1)
    },
    async next(group, look) {
      const until = emptyUntil.get(group)
      if (until !== undefined && redis.runtime.monotonic() < until && !redis.closing) return EMPTY
      const before = changes.get(group)
      const next = await look()
      if (next.isEmpty && changes.get(group) === before) {
        emptyUntil.set(group, redis.runtime.monotonic() + EMPTY_FOR_MS)
      } else emptyUntil.delete(group)
      return next
    },
  }
}

function laneFull(group: string, capacity: number): MillraceError {
  return new MillraceError(
    'lane_full',
    `The side lane of the group "${group}" may hold ${capacity} entries. Fix the handler, then requeue or discard.`,
    { retriable: true, facts: { group, capacity } },
  )
}
