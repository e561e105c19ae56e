import type { DeadLetterStore, NewDeadLetter } from '../driver/dead-letter-store.ts'
import type { LaneEntry, LaneStore, NewLaneEntry } from '../driver/lane-store.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import { createLaneWrites } from './lane-writes.ts'
import { createItem, type Item, type PartitionRun } from './partition-run.ts'

/** The side lane of a group as one member uses it: what goes in, and what comes back when it is due. */
export interface SideLane {
  /** Moves events into the lane, in order, and settles them in the log; the keys follow from now on. */
  move(items: readonly Item[], reason: NewLaneEntry['reason'], delayMs?: number): Promise<void>
  /** An entry is handled or dead-lettered. */
  done(item: Item): Promise<void>
  /** An entry is to be tried again later. */
  postpone(item: Item, delayMs: number): Promise<void>
  /** An entry that was handed out is not to be handled now: it comes due again, behind those before it. */
  putBack(item: Item): void
  /**
   * The key is being parked with the dead letter of the item: from now on its events follow into the lane, until somebody
   * requeues or discards the letter. They come into the lane after the letter is written: until then it is not settled.
   */
  park(item: Item, letter: NewDeadLetter): Promise<'stored' | 'fenced'>
  /** Writes a dead letter that parks nothing. */
  bury(item: Item, letter: NewDeadLetter): Promise<'stored' | 'fenced'>
  /** Looks for due entries now. */
  poll(): void
  /** Whether the lane is at its limit and the group rests. */
  readonly full: boolean
  stop(): void
}

export interface SideLaneOptions {
  readonly group: string
  readonly store: LaneStore
  readonly deadLetters: DeadLetterStore
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
/** An empty lane is filled by this member itself, which knows, by this process, which hints, or by an operator elsewhere. */
const LOOK_AT_EMPTY_MS = 5_000
const LOOK_SOON_MS = 5
const DUE_LIMIT = 200

export function createSideLane(options: SideLaneOptions): SideLane {
  const { group, store, deadLetters, runtime, capacity, persist } = options
  const writes = createLaneWrites({ group, lane: store, deadLetters, capacity, persist, addUntilThereIsRoom })
  let timer: Timer | undefined
  let timerAt = Number.POSITIVE_INFINITY
  let looking = false
  let again = false
  /** When the keys of the lane were asked for last: others put something in as well. */
  let askedKeysAt = Number.NEGATIVE_INFINITY
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
      const { isEmpty, dueInMs } = await store.next(group)
      let held = 0
      for (const run of options.partitions()) held += run.lane.size
      const nothing = isEmpty && held === 0
      const asksKeys = isEmpty || runtime.monotonic() - askedKeysAt >= LOOK_EVERY_MS
      if (!nothing && asksKeys) askedKeysAt = runtime.monotonic()
      const active = nothing ? [] : [...options.partitions()].filter(({ state }) => state === 'active')
      await Promise.all(active.map((run) => lookInto(run, asksKeys)))
      const restMs = nothing ? LOOK_AT_EMPTY_MS : LOOK_EVERY_MS
      schedule(Math.min(restMs, Math.max(LOOK_SOON_MS, dueInMs || restMs)))
    } catch (error) {
      if (!isMillraceError(error, 'closed')) options.onError(error)
      askedKeysAt = Number.NEGATIVE_INFINITY
      schedule(LOOK_EVERY_MS)
    } finally {
      looking = false
      if (again) {
        again = false
        schedule(LOOK_SOON_MS)
      }
    }
  }

  async function lookInto(run: PartitionRun, asksKeys: boolean): Promise<void> {
    const place = { group, topic: run.topic, partition: run.partition }
    run.lane.beginLook()
    if (asksKeys) run.lane.acceptKeys(await store.keys(place))
    const due = await store.due({ ...place, limit: DUE_LIMIT })
    if (!asksKeys) {
      // Others may have put in some of these: their keys must be known first, so that what comes later follows them.
      const only = new Set(due.flatMap(({ laneKey }) => laneKey ?? []))
      run.lane.acceptKeys(await store.keys({ ...place, only: [...only] }), only)
    }
    if (run.state !== 'active') return
    for (const entry of due) {
      if (!run.lane.isDue(entry) || !run.lane.take(entry)) continue
      const item = createItem(run, entry.record, options.orderKeyOf(entry), entry)
      item.suspect = run.laneSuspect
      options.onDue(item)
    }
    run.laneSuspect = false
  }

  /** The next look is soon, and asks for the keys too. */
  function askAll(): void {
    askedKeysAt = Number.NEGATIVE_INFINITY
    schedule(LOOK_SOON_MS)
  }

  async function addUntilThereIsRoom(add: () => Promise<'added' | 'fenced'>): Promise<'added' | 'fenced'> {
    for (;;) {
      try {
        const outcome = await add()
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

  function settleInLog(item: Item): void {
    const run = item.partition
    run.attempts.delete(item.position)
    run.tracker.settle(item)
    options.onMoved(run)
  }

  return {
    async move(fetched, reason, delayMs = 0) {
      for (const item of fetched) if (item.partition.lane.hasTaken(item.position)) settleInLog(item)
      const items = fetched.filter((item) => !item.settled)
      const first = items[0]
      if (first === undefined) return
      const run = first.partition
      for (const item of items) run.lane.count(item.orderKey, 1)
      const ends = [...Map.groupBy(items, (item) => item.orderKey)].map(([key, ofKey]) =>
        run.lane.add(
          key,
          ofKey.map((item) => item.position),
        ),
      )
      const entries = items.map((item, at) => ({
        group,
        laneKey: item.orderKey,
        record: item.record,
        delayMs: at === 0 ? delayMs : 0,
        attempts: item.attempts,
        firstFailedAt: item.firstFailedAt,
        reason: at === 0 ? reason : ('follows' as const),
        generation: 0,
      }))
      const outcome = await writes.add(run, entries)
      for (const end of ends) end()
      if (outcome === 'fenced') return options.onFenced(run)
      for (const item of items) settleInLog(item)
      schedule(Math.min(LOOK_EVERY_MS, Math.max(LOOK_SOON_MS, delayMs)))
    },
    async done(item) {
      const run = item.partition
      const entryId = item.laneEntryId ?? ''
      const end = run.lane.write(item.orderKey, { disturbs: false })
      const outcome = await writes.settle(run, { done: [entryId], postponed: [] })
      run.lane.free(entryId)
      end()
      if (outcome === 'fenced') return options.onFenced(run)
      run.lane.count(item.orderKey, -1)
      schedule(LOOK_SOON_MS)
    },
    async postpone(item, delayMs) {
      const run = item.partition
      const entryId = item.laneEntryId ?? ''
      const postponed = [{ entryId, delayMs, attempts: item.attempts, firstFailedAt: item.firstFailedAt }]
      const end = run.lane.write(item.orderKey, { disturbs: true })
      const outcome = await writes.settle(run, { done: [], postponed })
      run.lane.free(entryId)
      end()
      if (outcome === 'fenced') options.onFenced(run)
      schedule(Math.max(LOOK_SOON_MS, delayMs))
    },
    putBack(item) {
      const { lane } = item.partition
      lane.write(item.orderKey, { disturbs: true })()
      lane.free(item.laneEntryId ?? '')
      schedule(LOOK_SOON_MS)
    },
    async park(item, letter) {
      const { lane } = item.partition
      const key = item.orderKey
      if (key !== undefined) lane.park(key)
      const end = lane.write(key, { disturbs: true })
      try {
        return await writes.park(item.partition, letter)
      } finally {
        end()
      }
    },
    bury: (item, letter) => writes.bury(item.partition, letter),
    poll: askAll,
    get full() {
      return full
    },
    stop() {
      stopped = true
      timer?.cancel()
    },
  }
}
