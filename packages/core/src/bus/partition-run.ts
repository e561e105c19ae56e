import type { LaneKey } from '../driver/lane-store.ts'
import type { Position } from '../driver/position.ts'
import type { StoredRecord } from '../driver/record.ts'
import type { AttemptMark, PartitionProgress, Progress } from '../driver/transport.ts'
import { createAckTracker, type AckTracker, type Tracked } from './ack-tracker.ts'
import { createFifo, type Fifo } from './fifo.ts'
import { createLaneView, type LaneView } from './lane-view.ts'

/** An event on its way to the handler. */
export interface Item extends Tracked {
  readonly partition: PartitionRun
  readonly record: StoredRecord
  /** The key by which it waits for others; undefined when it waits for nobody. */
  readonly orderKey: string | undefined
  /** Failures so far, those of earlier owners and deaths included. */
  attempts: number
  firstFailedAt: number | undefined
  /** Set when the event comes from the side lane. */
  readonly laneEntryId: string | undefined
  readonly generation: number
  /** Was handed out by an owner that ended uncleanly: it runs alone. */
  suspect: boolean
  startedAt: number
  controller: AbortController | undefined
  /** Counts attempts, so that the late end of one that timed out is not taken for that of the next. */
  run: number
  /** Where it is among the handlers that run; -1 while it is not. */
  slot: number
}

/** The keys of a partition that are being handled, and some that were. */
export interface KeyQueues {
  /** Each with the events that wait behind: null while nothing waits, undefined when the key is through. */
  queues: Map<string, Fifo<Item> | null | undefined>
  /** So many keys, and those that are through are dropped. */
  most: number
}

/** A partition that this member owns, while it does. */
export interface PartitionRun {
  readonly topic: string
  readonly partition: number
  readonly token: number
  readonly tracker: AckTracker
  readonly keys: KeyQueues
  readonly lane: LaneView
  readonly attempts: Map<Position, AttemptMark>
  /** `draining`: nothing new starts; `lost`: nothing that happens counts any more. */
  state: 'active' | 'draining' | 'lost'
  /** Handlers that run, and failures whose consequence is being stored. */
  running: number
  storing: number
  /** Bodies in memory, in UTF-16 units. */
  buffered: number
  lastFetched: Position | undefined
  fetchedHigh: Position | undefined
  /** Up to here everything unsettled runs alone. */
  readonly suspectUntil: Position | undefined
  /** Whether the first entries that come due from the side lane are suspect too. */
  laneSuspect: boolean
  /** Fetched behind suspects; they go on when the last suspect is through. */
  readonly behindSuspects: Fifo<Item>
  starting: Progress['starting']
  /** Whether there is progress that is not stored. */
  dirty: boolean
  committedSettled: number
}

/** Takes over a partition where its last owner left it. */
export function createPartitionRun(
  place: { readonly topic: string; readonly partition: number },
  claimed: { readonly token: number; readonly progress: Progress; readonly clean: boolean },
  laneKeys: ReadonlyMap<string, LaneKey>,
): PartitionRun {
  const { progress, token, clean } = claimed
  return {
    ...place,
    token,
    tracker: createAckTracker(progress),
    keys: { queues: new Map(), most: 0 },
    lane: createLaneView(laneKeys, clean ? undefined : progress.fetchedHigh),
    attempts: new Map(progress.attempts.map((mark) => [mark.position, mark])),
    state: 'active',
    running: 0,
    storing: 0,
    buffered: 0,
    lastFetched: progress.settled,
    fetchedHigh: progress.fetchedHigh,
    suspectUntil: clean ? undefined : progress.fetchedHigh,
    laneSuspect: !clean,
    behindSuspects: createFifo(),
    starting: progress.starting,
    dirty: false,
    committedSettled: 0,
  }
}

const MAX_RANGES = 1_000

/** The progress of a partition as it is now, to be stored. */
export function progressOf(run: PartitionRun): PartitionProgress {
  const snapshot = run.tracker.snapshot(MAX_RANGES)
  return {
    ...snapshot,
    partition: run.partition,
    token: run.token,
    fetchedHigh: run.fetchedHigh,
    attempts: run.attempts.size === 0 ? [] : [...run.attempts.values()],
    newlySettled: run.tracker.settledCount - run.committedSettled,
    ...(run.starting === undefined ? {} : { starting: run.starting }),
  }
}

/** An item for a record of the partition, with what earlier owners knew of it. */
export function createItem(
  run: PartitionRun,
  record: StoredRecord,
  orderKey: string | undefined,
  lane?: {
    readonly entryId: string
    readonly attempts: number
    readonly firstFailedAt: number | undefined
    readonly generation: number
  },
): Item {
  const mark = lane === undefined ? run.attempts.get(record.position) : lane
  return {
    position: record.position,
    settled: false,
    partition: run,
    record,
    orderKey,
    attempts: mark?.attempts ?? 0,
    firstFailedAt: mark?.firstFailedAt,
    laneEntryId: lane?.entryId,
    generation: lane?.generation ?? 0,
    suspect: false,
    startedAt: 0,
    controller: undefined,
    run: 0,
    slot: -1,
  }
}
