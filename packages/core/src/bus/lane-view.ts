import type { LaneEntry, LaneKey } from '../driver/lane-store.ts'
import type { Position } from '../driver/position.ts'

/**
 * What a member knows of the side lane of a partition that it holds. Answers of the store may be older than what this
 * member has written since it asked, so they are taken only for what was left alone in the meantime.
 */
export interface LaneView {
  /** Keys that the lane holds or that are parked, as far as is known. */
  readonly size: number
  /** Whether events of this key must follow into the lane. */
  goesThrough(key: string): boolean
  /** Entries of the key were added (`by` above 0) or are through. */
  count(key: string | undefined, by: number): void
  park(key: string): void
  /** A write that concerns the key begins; the returned function ends it. When it `disturbs` its order, what is due must be asked again. */
  write(key: string | undefined, options: { readonly disturbs: boolean }): () => void
  /** Events are being moved into the lane; the returned function tells that they are there. */
  add(key: string | undefined, positions: readonly Position[]): () => void
  /** The entry is on its way to the handler; false when it is already. */
  take(entry: LaneEntry): boolean
  /** Whether a suspect has come through the lane: its last owner died between moving it there and settling it in the log. */
  hasTaken(position: Position): boolean
  /** The entry is through, or waits in the lane again. */
  free(entryId: string): void
  /** The store is asked from now on. */
  beginLook(): void
  /** What the store answers of all keys, or of those among `only`. */
  acceptKeys(keys: ReadonlyMap<string, LaneKey>, only?: Iterable<string>): void
  /** Whether a due entry of the answer is still to be handed out. */
  isDue(entry: LaneEntry): boolean
}

/** A view that begins with what the store said at the take-over; events up to `suspectUntil` may be in log and lane both. */
export function createLaneView(stored: ReadonlyMap<string, LaneKey>, suspectUntil?: Position): LaneView {
  let keys = new Map(stored)
  const inFlight = new Set<string>()
  const taken = new Set<Position>()
  // The lowest position of each move that is under way, by key. What is behind it must wait, and what is in it may be there
  // already and come again.
  const moving = new Map<string, Position[]>()
  const movingAlone = new Set<Position>()
  const writing = new Map<string, number>()
  const disturbing = new Map<string, number>()
  // Since the store was last asked:
  const changed = new Set<string>()
  const disturbed = new Set<string>()
  const freed = new Set<string>()

  return {
    get size() {
      return keys.size
    },
    goesThrough: (key) => keys.has(key),
    count(key, by) {
      if (key === undefined) return
      changed.add(key)
      const known = keys.get(key) ?? { waiting: 0, parked: false }
      const waiting = Math.max(0, known.waiting + by)
      if (waiting === 0 && !known.parked) keys.delete(key)
      else keys.set(key, { ...known, waiting })
    },
    park(key) {
      changed.add(key)
      disturbed.add(key)
      keys.set(key, { waiting: keys.get(key)?.waiting ?? 0, parked: true })
    },
    write(key, { disturbs }) {
      if (key === undefined) return () => {}
      tally(writing, key, 1)
      if (disturbs) tally(disturbing, key, 1)
      return () => {
        tally(writing, key, -1)
        changed.add(key)
        if (!disturbs) return
        tally(disturbing, key, -1)
        disturbed.add(key)
      }
    },
    add(key, positions) {
      if (key === undefined) {
        for (const position of positions) movingAlone.add(position)
        return () => positions.forEach((position) => movingAlone.delete(position))
      }
      const lowest = positions[0]
      if (lowest === undefined) return () => {}
      const moves = moving.get(key) ?? []
      moves.push(lowest)
      moving.set(key, moves)
      tally(writing, key, 1)
      return () => {
        tally(writing, key, -1)
        changed.add(key)
        moves.splice(moves.indexOf(lowest), 1)
        if (moves.length === 0) moving.delete(key)
      }
    },
    take({ entryId, generation, record }) {
      if (inFlight.has(entryId)) return false
      inFlight.add(entryId)
      if (generation === 0 && suspectUntil !== undefined && record.position <= suspectUntil) taken.add(record.position)
      return true
    },
    hasTaken: (position) => taken.has(position),
    free(entryId) {
      inFlight.delete(entryId)
      freed.add(entryId)
    },
    beginLook() {
      changed.clear()
      disturbed.clear()
      freed.clear()
    },
    acceptKeys(answer, only) {
      if (only !== undefined) {
        for (const key of only) {
          const state = answer.get(key)
          if (writing.has(key) || changed.has(key)) continue
          if (state === undefined) keys.delete(key)
          else keys.set(key, state)
        }
        return
      }
      const merged = new Map(answer)
      for (const key of [...writing.keys(), ...changed]) {
        const known = keys.get(key)
        if (known === undefined) merged.delete(key)
        else merged.set(key, known)
      }
      keys = merged
    },
    isDue({ entryId, laneKey, record }) {
      if (freed.has(entryId)) return false
      if (laneKey === undefined) return !movingAlone.has(record.position)
      if (moving.get(laneKey)?.some((lowest) => lowest <= record.position)) return false
      return !disturbed.has(laneKey) && !disturbing.has(laneKey) && keys.get(laneKey)?.parked !== true
    },
  }
}

function tally(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}
