import type { Position, PositionRange } from '../driver/position.ts'
import type { Progress } from '../driver/transport.ts'

/** An event that was delivered: settled or not. The dispatcher's items are of this shape. */
export interface Tracked {
  readonly position: Position
  settled: boolean
}

/** What of a partition is settled, in a form that can be stored. */
export interface TrackerSnapshot {
  readonly settled: Position | undefined
  readonly ahead: readonly PositionRange[]
  readonly aheadCount: number
}

/**
 * Keeps, for one partition, the contiguous settled position and what is settled beyond it. Positions are opaque, so "next to
 * one another" means delivered one after the other.
 */
export interface AckTracker {
  /** Delivered events from the oldest unsettled on. */
  readonly window: number
  /** Whether an earlier owner had settled this position; positions must be asked for in ascending order. */
  wasSettled(position: Position): boolean
  /** The next delivered event; it is settled later. */
  accept(entry: Tracked): void
  /** A delivered event that needs no handling: settled at once. */
  skip(position: Position): void
  settle(entry: Tracked): void
  /** Events settled since the tracker was made. */
  readonly settledCount: number
  /** At most `maxRanges` ranges: what does not fit is delivered again after a crash. */
  snapshot(maxRanges: number): TrackerSnapshot
}

const COMPACT_AT = 1_024

/** A tracker that goes on from stored progress. */
export function createAckTracker(from: Pick<Progress, 'settled' | 'ahead' | 'aheadCount'>): AckTracker {
  let settled = from.settled
  let entries: (Tracked | undefined)[] = []
  let head = 0
  let settledBeyond = 0
  let settledCount = 0
  // What an earlier owner settled ahead and this one has not been delivered yet.
  let inherited = from.ahead.slice()
  let inheritedCount = from.aheadCount

  function advance(): void {
    let entry = entries[head]
    while (entry?.settled) {
      settled = entry.position
      settledBeyond -= 1
      // What is through must not be kept alive here, or the heap would hold the events of a backlog long after their time.
      entries[head++] = undefined
      entry = entries[head]
    }
    if (head === entries.length) {
      entries = []
      head = 0
    } else if (head >= COMPACT_AT && head * 2 >= entries.length) {
      entries = entries.slice(head)
      head = 0
    }
  }

  function dropInheritedBefore(position: Position): void {
    while (inherited[0] !== undefined && inherited[0][1] < position) inherited = inherited.slice(1)
    if (inherited.length === 0) inheritedCount = 0
  }

  return {
    get window() {
      return entries.length - head
    },
    get settledCount() {
      return settledCount
    },
    wasSettled(position) {
      if (inherited.length === 0) return false
      dropInheritedBefore(position)
      const range = inherited[0]
      if (range === undefined || position < range[0]) return false
      // What has come by is kept by this tracker from now on; of the range only the rest is still inherited.
      inherited = position === range[1] ? inherited.slice(1) : [[position, range[1]], ...inherited.slice(1)]
      inheritedCount = inherited.length === 0 ? 0 : Math.max(0, inheritedCount - 1)
      settledCount -= 1 // It was counted by its earlier owner; `skip` follows and counts it again.
      return true
    },
    accept: (entry) => void entries.push(entry),
    skip(position) {
      settledCount += 1
      if (head === entries.length) {
        settled = position
        return
      }
      settledBeyond += 1
      entries.push({ position, settled: true })
    },
    settle(entry) {
      if (entry.settled) return
      entry.settled = true
      settledCount += 1
      settledBeyond += 1
      if (entries[head] === entry) advance()
    },
    snapshot(maxRanges) {
      if (settledBeyond === 0) {
        return { settled, ahead: inherited, aheadCount: inheritedCount }
      }
      return {
        settled,
        ahead: joined(rangesOf(entries, head, maxRanges), inherited).slice(0, maxRanges),
        aheadCount: settledBeyond + inheritedCount,
      }
    },
  }
}

/** The last own range and the rest of an inherited one that begins where it ends are one. */
function joined(own: readonly PositionRange[], inherited: readonly PositionRange[]): PositionRange[] {
  const last = own.at(-1)
  const first = inherited[0]
  if (last === undefined || first === undefined || last[1] !== first[0]) return [...own, ...inherited]
  return [...own.slice(0, -1), [last[0], first[1]], ...inherited.slice(1)]
}

function rangesOf(entries: readonly (Tracked | undefined)[], head: number, maxRanges: number): PositionRange[] {
  const ranges: PositionRange[] = []
  let from: Position | undefined
  let to: Position | undefined
  for (let at = head; at < entries.length && ranges.length < maxRanges; at += 1) {
    const entry = entries[at]
    if (entry?.settled) {
      from ??= entry.position
      to = entry.position
    } else if (from !== undefined && to !== undefined) {
      ranges.push([from, to])
      from = undefined
    }
  }
  if (from !== undefined && to !== undefined && ranges.length < maxRanges) ranges.push([from, to])
  return ranges
}
