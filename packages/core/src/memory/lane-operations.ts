import type { LaneChanges, LaneCounts, LaneEntry, LaneKey, LaneNext, NewLaneEntry } from '../driver/lane-store.ts'
import { MillraceError } from '../runtime/error.ts'
import type { MemoryEngine } from './engine.ts'
import { groupState, underToken } from './groups.ts'

/** One partition of a group. */
export interface GroupPlace {
  readonly group: string
  readonly topic: string
  readonly partition: number
}

/** Adds entries, all or nothing. Throws `lane_full`. */
export function addToLane(
  engine: MemoryEngine,
  entries: readonly NewLaneEntry[],
  { token, capacity }: { readonly token?: number; readonly capacity: number },
  at: number,
): 'added' | 'fenced' {
  if (token !== undefined) {
    const isOurs = ({ group, record }: NewLaneEntry): boolean =>
      underToken(engine, { group, topic: record.topic, partition: record.partition }, token) !== undefined
    if (!entries.every(isOurs)) return 'fenced'
  }
  for (const [name, added] of Map.groupBy(entries, ({ group }) => group)) {
    const lane = engine.groups.get(name)?.lane
    const size = (lane?.size ?? 0) + added.filter((entry) => !lane?.has(entry)).length
    if (size > capacity) throw laneFull(name, capacity)
  }
  for (const entry of entries) {
    engine.lastNumber += 1
    engine.bytes += groupState(engine, entry.group).lane.add(entry, engine.lastNumber, at)
  }
  return 'added'
}

/** The entries of a partition that are ready. */
export function laneDue(engine: MemoryEngine, query: GroupPlace & { readonly limit: number }, at: number): LaneEntry[] {
  return engine.groups.get(query.group)?.lane.due(query.topic, query.partition, query.limit, at) ?? []
}

/** Changes entries under the token of their partition. */
export function settleLane(engine: MemoryEngine, changes: LaneChanges, at: number): 'done' | 'fenced' {
  if (underToken(engine, changes, changes.token) === undefined) return 'fenced'
  engine.bytes -= groupState(engine, changes.group).lane.settle(changes, at)
  return 'done'
}

/** The keys of a partition that have entries or are parked. */
export function laneKeys(
  engine: MemoryEngine,
  { group, topic, partition, only }: GroupPlace & { readonly only?: readonly string[] },
): Map<string, LaneKey> {
  return engine.groups.get(group)?.lane.keys(topic, partition, only) ?? new Map()
}

/** Lifts the parking of a key. */
export function unparkKey(
  engine: MemoryEngine,
  { group, topic, partition, key }: GroupPlace & { readonly key: string },
): void {
  engine.groups.get(group)?.lane.unpark(topic, partition, key)
}

/** How many entries wait, are due and are parked. */
export function laneCounts(engine: MemoryEngine, group: string, at: number): LaneCounts {
  const lane = engine.groups.get(group)?.lane
  return lane?.counts(at) ?? { waiting: 0, due: 0, parked: 0, keys: 0 }
}

export function laneNext(engine: MemoryEngine, group: string, at: number): LaneNext {
  return engine.groups.get(group)?.lane.next(at) ?? { isEmpty: true, dueInMs: undefined }
}

function laneFull(group: string, capacity: number): MillraceError {
  return new MillraceError(
    'lane_full',
    `The side lane of the group "${group}" may hold ${capacity} entries. Fix the handler, then requeue or discard.`,
    { retriable: true, facts: { group, capacity } },
  )
}
