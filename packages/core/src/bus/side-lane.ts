import type { LaneEntry, LaneStore, NewLaneEntry } from '../driver/lane-store.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import { createItem, type Item, type PartitionRun } from './partition-run.ts'

/** The side lane of a group as one member uses it: what goes in, and what comes back when it is due. */
export interface SideLane {
  /** Moves events into the lane, in order, and settles them in the log; the keys follow from now on. */
  move(items: readonly Item[], reason: NewLaneEntry['reason'], delayMs?: number): Promise<void>
  /** An entry is handled or dead-lettered. */
  done(item: Item): Promise<void>
  /** An entry is to be tried again later. */
  postpone(item: Item, delayMs: number): Promise<void>
  /** The key was parked with its dead letter: its events follow into the lane, until somebody requeues or discards the letter. */
  parked(run: PartitionRun, key: string): void
  /** Looks for due entries now. */
  poll(): void
  /** Whether the lane is at its limit and the group rests. */
  readonly full: boolean
  stop(): void
}

export interface SideLaneOptions {
  readonly group: string
  readonly store: LaneStore
  readonly runtime: Runtime
  readonly capacity: number
  readonly partitions: () => Iterable<PartitionRun>
  readonly orderKeyOf: (entry: LaneEntry) => string | undefined
  /** An entry is due. */
  readonly onDue: (item: Item) => void
  /** Entries were moved into the lane and are settled in the log. */
  readonly onMoved: (run: PartitionRun) => void
  readonly onFenced: (run: PartitionRun) => void
  readonly onFull: (full: boolean) => void
  /** Runs a store operation until it succeeds or the subscription is at its end. */
  readonly persist: <Result>(operation: () => Promise<Result>) => Promise<Result>
  readonly onError: (error: unknown) => void
}

const LOOK_EVERY_MS = 1_000
const LOOK_SOON_MS = 5
const DUE_LIMIT = 200

export function createSideLane(options: SideLaneOptions): SideLane {
  const { group, store, runtime, capacity } = options
  let timer: Timer | undefined
  let timerAt = Number.POSITIVE_INFINITY
  let looking = false
  let again = false
  let stopped = false
  let full = false
  schedule(LOOK_SOON_MS)

  function schedule(inMs: number): void {
    const at = runtime.monotonic() + inMs
    if (stopped || at >= timerAt) return
    timer?.cancel()
    timerAt = at
    timer = runtime.setTimer(() => {
      timerAt = Number.POSITIVE_INFINITY
      void look()
    }, inMs)
  }

  async function look(): Promise<void> {
    if (looking) {
      again = true
      return
    }
    looking = true
    try {
      const counts = await store.counts(group)
      let held = 0
      for (const run of options.partitions()) held += run.laneKeys.size
      if (counts.waiting + counts.parked + counts.keys > 0 || held > 0) {
        for (const run of options.partitions()) if (run.state === 'active') await lookInto(run)
      }
      schedule(Math.min(LOOK_EVERY_MS, Math.max(LOOK_SOON_MS, counts.nextDueMs || LOOK_EVERY_MS)))
    } catch (error) {
      if (!isMillraceError(error, 'closed')) options.onError(error)
      schedule(LOOK_EVERY_MS)
    } finally {
      looking = false
      if (again) {
        again = false
        schedule(LOOK_SOON_MS)
      }
    }
  }

  async function lookInto(run: PartitionRun): Promise<void> {
    const place = { group, topic: run.topic, partition: run.partition }
    const version = run.laneVersion
    const keys = await store.keys(place)
    if (run.laneVersion === version) run.laneKeys = new Map(keys)
    const due = await store.due({ ...place, limit: DUE_LIMIT })
    if (run.state !== 'active') return
    for (const entry of due) {
      if (run.laneInFlight.has(entry.entryId)) continue
      run.laneInFlight.add(entry.entryId)
      const item = createItem(run, entry.record, options.orderKeyOf(entry), entry)
      item.suspect = run.laneSuspect
      options.onDue(item)
    }
    run.laneSuspect = false
  }

  function changeKey(run: PartitionRun, key: string | undefined, by: number): void {
    run.laneVersion += 1
    if (key === undefined) return
    const known = run.laneKeys.get(key) ?? { waiting: 0, parked: false }
    const waiting = Math.max(0, known.waiting + by)
    if (waiting === 0 && !known.parked) run.laneKeys.delete(key)
    else run.laneKeys.set(key, { ...known, waiting })
  }

  async function addUntilThereIsRoom(entries: readonly NewLaneEntry[], token: number): Promise<'added' | 'fenced'> {
    for (;;) {
      try {
        const outcome = await options.persist(() => store.add(entries, { token, capacity }))
        if (full) options.onFull((full = false))
        return outcome
      } catch (error) {
        if (!isMillraceError(error, 'lane_full')) throw error
        if (!full) options.onFull((full = true))
        await new Promise<void>((resolve) => void runtime.setTimer(resolve, LOOK_EVERY_MS))
        if (stopped) throw error
      }
    }
  }

  return {
    async move(items, reason, delayMs = 0) {
      const first = items[0]
      if (first === undefined) return
      const run = first.partition
      for (const item of items) changeKey(run, item.record.key, 1)
      const entries = items.map((item, at) => ({
        group,
        laneKey: item.record.key,
        record: item.record,
        delayMs: at === 0 ? delayMs : 0,
        attempts: item.attempts,
        firstFailedAt: item.firstFailedAt,
        reason: at === 0 ? reason : ('follows' as const),
        generation: 0,
      }))
      if ((await addUntilThereIsRoom(entries, run.token)) === 'fenced') return options.onFenced(run)
      for (const item of items) {
        run.attempts.delete(item.position)
        run.tracker.settle(item)
      }
      run.laneVersion += 1
      options.onMoved(run)
      schedule(Math.min(LOOK_EVERY_MS, Math.max(LOOK_SOON_MS, delayMs)))
    },
    async done(item) {
      const run = item.partition
      const entryId = item.laneEntryId ?? ''
      const place = { group, topic: run.topic, partition: run.partition, token: run.token }
      const outcome = await options.persist(() => store.settle({ ...place, done: [entryId], postponed: [] }))
      run.laneInFlight.delete(entryId)
      if (outcome === 'fenced') return options.onFenced(run)
      changeKey(run, item.record.key, -1)
      schedule(LOOK_SOON_MS)
    },
    async postpone(item, delayMs) {
      const run = item.partition
      const entryId = item.laneEntryId ?? ''
      const place = { group, topic: run.topic, partition: run.partition, token: run.token }
      const postponed = [{ entryId, delayMs, attempts: item.attempts, firstFailedAt: item.firstFailedAt }]
      const outcome = await options.persist(() => store.settle({ ...place, done: [], postponed }))
      run.laneInFlight.delete(entryId)
      if (outcome === 'fenced') options.onFenced(run)
      schedule(Math.max(LOOK_SOON_MS, delayMs))
    },
    parked(run, key) {
      run.laneKeys.set(key, { waiting: run.laneKeys.get(key)?.waiting ?? 0, parked: true })
      run.laneVersion += 1
    },
    poll: () => schedule(LOOK_SOON_MS),
    get full() {
      return full
    },
    stop() {
      stopped = true
      timer?.cancel()
    },
  }
}
