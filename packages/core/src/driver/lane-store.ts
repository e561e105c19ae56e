import type { Position } from './position.ts'
import type { StoredRecord } from './record.ts'

/**
 * The side lane of a group: events that wait outside the main position, ordered by key and within a key by position
 * (then by entry), so that a requeued event comes before those that were parked behind it. A long retry, a key parked
 * behind a dead letter, a requeued and a replayed event are all entries here.
 */
export interface LaneStore {
  /**
   * Adds entries. With a `token` all or nothing under it (`fenced` otherwise); without one (an
   * operator) always. Throws `lane_full` when the group would hold more than `capacity` entries. An entry of the
   * same group, topic, partition, position and generation that waits already is left as it is.
   */
  add(
    entries: readonly NewLaneEntry[],
    options: { readonly token?: number; readonly capacity: number },
  ): Promise<'added' | 'fenced'>

  /**
   * Entries of one partition that are ready: due, not parked, and first of their key; entries that follow such
   * a one in its key and are due too come after it. At most `limit`, oldest first. Does not remove them.
   */
  due(query: {
    readonly group: string
    readonly topic: string
    readonly partition: number
    readonly limit: number
  }): Promise<readonly LaneEntry[]>

  /** Changes entries under the token of their partition, all or nothing. */
  settle(changes: LaneChanges): Promise<'done' | 'fenced'>

  /**
   * The keys of one partition that have entries or are parked (perhaps without any): later events of them follow into the lane. All, or those among
   * `only`.
   */
  keys(query: {
    readonly group: string
    readonly topic: string
    readonly partition: number
    readonly only?: readonly string[]
  }): Promise<ReadonlyMap<string, LaneKey>>

  /** Lifts the parking of a key, so that its entries become due in order. */
  unpark(key: {
    readonly group: string
    readonly topic: string
    readonly partition: number
    readonly key: string
  }): Promise<void>

  /** When there is something to do in a lane. Asked again and again, so it is cheap however much waits. */
  next(group: string): Promise<LaneNext>

  /** How many entries wait, are due and are parked: for people, and as costly as they are many. */
  counts(group: string): Promise<LaneCounts>
}

export interface NewLaneEntry {
  readonly group: string
  /** The key by which it is ordered; undefined for an event without one, which waits for nobody. */
  readonly laneKey: string | undefined
  readonly record: StoredRecord
  /** From now, in milliseconds. */
  readonly delayMs: number
  readonly attempts: number
  readonly firstFailedAt: number | undefined
  /** Why it is here. A `parked` entry waits until its key is unparked. */
  readonly reason: 'retry' | 'parked' | 'follows' | 'requeue' | 'replay'
  /** 0 for the first delivery; a replay counts up, so that an inbox sees a new one. */
  readonly generation: number
}

export interface LaneEntry extends NewLaneEntry {
  /** Fixed-width, rising with each entry added. */
  readonly entryId: string
}

export interface LaneKey {
  readonly waiting: number
  readonly parked: boolean
}

export interface LaneCounts {
  readonly waiting: number
  readonly due: number
  readonly parked: number
  readonly keys: number
}

export interface LaneNext {
  /** Nothing waits, and no key is parked. */
  readonly isEmpty: boolean
  /** Milliseconds until the next entry that is not parked is due; 0 when one is. */
  readonly dueInMs: number | undefined
}

export interface LaneChanges {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly token: number
  /** Handled or dead-lettered: gone from the lane. */
  readonly done: readonly string[]
  /** To be tried again later. */
  readonly postponed: readonly {
    readonly entryId: string
    readonly delayMs: number
    readonly attempts: number
    readonly firstFailedAt: number | undefined
  }[]
  /** Keys that are parked from now on, whether they have entries or not. */
  readonly park?: readonly string[]
}

/** The place of an event in a group: the identity of lane entries and dead letters. */
export interface EventPlace {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly position: Position
}
