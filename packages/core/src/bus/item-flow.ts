import type { Stores } from '../driver/driver.ts'
import type { StoredRecord } from '../driver/record.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import { deadLetterOf, type Failure } from './dead-letter-of.ts'
import { channels } from './diagnostics.ts'
import { createDispatcher, type Dispatcher } from './dispatcher.ts'
import { leaseLost, type Execute } from './execution.ts'
import { createHandlerRuns } from './handler-runs.ts'
import { createIsolation } from './isolation.ts'
import { judge, type Attempt, type Verdict } from './outcome.ts'
import type { Item, PartitionRun } from './partition-run.ts'
import { createSideLane, type SideLane } from './side-lane.ts'
import { createStoring } from './storing.ts'
import type { ResolvedSubscription } from './subscription-options.ts'

/** What happens to an event between its fetch and its settle. */
export interface ItemFlow {
  readonly dispatcher: Dispatcher
  readonly lane: SideLane
  /** Fetched events of one topic, in the order of their partitions. */
  add(items: readonly Item[]): void
  /** The partition has moved on: nothing of it counts any more, its handlers' signals fire. */
  drop(run: PartitionRun): void
  /** Resolves when nothing of these partitions runs or is being stored, or the time is up. */
  whenIdle(runs: () => readonly PartitionRun[], timeoutMs: number): Promise<void>
  /** Fires the signals of all handlers that still run, and gives up on store operations that fail. */
  abandonAll(): void
  stop(): void
}

export interface ItemFlowOptions {
  readonly millrace: string
  readonly options: ResolvedSubscription
  readonly stores: Stores
  readonly runtime: Runtime
  readonly execute: Execute
  readonly orderKeyOf: (record: StoredRecord) => string | undefined
  readonly partitions: () => Iterable<PartitionRun>
  /** Whether this member may still believe in its leases. */
  readonly isConfirmed: () => boolean
  /** Progress of the partition changed. */
  readonly touch: (run: PartitionRun) => void
  /** Resolves when the partition's progress is stored. */
  readonly commit: (run: PartitionRun) => Promise<void>
  /** There may be room to fetch more. */
  readonly onRoom: (run: PartitionRun) => void
  readonly onFenced: (run: PartitionRun) => void
  readonly onIncident: (kind: 'lane-full' | 'isolating', run?: PartitionRun) => void
  readonly onError: (error: unknown) => void
}

/** Retries within this many milliseconds keep their place in memory; longer ones go to the side lane. */
const IN_MEMORY_RETRY_MS = 5_000
const CONFIRM_AGAIN_MS = 20

export function createItemFlow(setup: ItemFlowOptions): ItemFlow {
  const { options, runtime, stores, touch } = setup
  const { group } = options
  let stopping = false
  let confirming: Timer | undefined

  const storing = createStoring({ runtime, onError: setup.onError })
  const handlers = createHandlerRuns({ runtime, execute: setup.execute, timeoutMs: options.timeoutMs, onEnd: end })
  const dispatcher = createDispatcher({
    concurrency: options.concurrency,
    start: handlers.start,
    mayStart,
    defer: runtime.defer,
  })
  const lane = createSideLane({
    group,
    store: stores.lane,
    deadLetters: stores.deadLetters,
    runtime,
    capacity: options.laneCapacity,
    partitions: setup.partitions,
    orderKeyOf: (entry) => setup.orderKeyOf(entry.record),
    onDue: handle,
    onMoved: touch,
    onFenced: setup.onFenced,
    onFull(full) {
      if (full) setup.onIncident('lane-full')
      for (const run of setup.partitions()) setup.onRoom(run)
    },
    persist: storing.persist,
    onError: setup.onError,
  })
  const isolation = createIsolation({
    commit: setup.commit,
    touch: setup.touch,
    deadLettered: (run, positions) =>
      storing.persist(() => stores.deadLetters.among({ group, topic: run.topic, partition: run.partition }, positions)),
    divert(item) {
      const isTaken = item.partition.lane.hasTaken(item.position)
      if (item.laneEntryId !== undefined || !(isTaken || goesThroughLane(item))) return false
      storing.track(item.partition, toLane([item, ...followersOf(item)], 'follows'))
      return true
    },
    runAlone: enqueue,
    bury: (item, deaths) => deadLetter(item, killedItsProcess(deaths), { isDispatched: false }),
    buried,
    resumed(run) {
      const following: Item[] = []
      for (const item of run.behindSuspects.drain()) {
        if (item.laneEntryId === undefined && goesThroughLane(item)) following.push(item)
        else dispatcher.add(item)
      }
      storing.track(run, toLane(following, 'follows'))
      dispatcher.pump()
      setup.onRoom(run)
    },
    onIsolating: (run) => setup.onIncident('isolating', run),
    onError: setup.onError,
  })

  function add(items: readonly Item[]): void {
    const following = new Map<PartitionRun, Item[]>()
    for (const item of items) {
      if (item.partition.state !== 'active') continue
      // Suspects are not in the lane yet: what is behind them must not come there before them.
      if (item.suspect || isolation.holds(item.partition) || !goesThroughLane(item)) {
        handle(item)
        continue
      }
      const others = following.get(item.partition)
      if (others === undefined) following.set(item.partition, [item])
      else others.push(item)
    }
    for (const others of following.values()) follow(others)
  }

  /** Events of a key go through the lane for as long as it holds one of them. */
  function goesThroughLane({ partition, orderKey }: Item): boolean {
    return orderKey !== undefined && partition.lane.goesThrough(orderKey)
  }

  /** What waits behind an item by its key, wherever it waits, in order. */
  function followersOf(item: Item): Item[] {
    const { partition: run, orderKey } = item
    if (orderKey === undefined) return []
    const followers = [...dispatcher.takeFollowers(item), ...isolation.takeKey(run, orderKey)]
    if (run.behindSuspects.length === 0) return followers
    for (const other of run.behindSuspects.drain()) {
      if (other.orderKey === orderKey) followers.push(other)
      else run.behindSuspects.push(other)
    }
    return followers
  }

  function follow(items: readonly Item[]): void {
    const run = items[0]?.partition
    if (run !== undefined) storing.track(run, lane.move(items, 'follows'))
  }

  function handle(item: Item): void {
    const run = item.partition
    run.buffered += item.record.body.length
    if (item.suspect) isolation.add(item)
    else if (isolation.holds(run)) run.behindSuspects.push(item)
    else enqueue(item)
  }

  function enqueue(item: Item): void {
    dispatcher.add(item)
    dispatcher.pump()
  }

  function mayStart(): boolean {
    if (setup.isConfirmed()) return true
    confirming ??= runtime.setTimer(() => {
      confirming = undefined
      dispatcher.pump()
    }, CONFIRM_AGAIN_MS)
    return false
  }

  function end(item: Item, attempt: Attempt): void {
    const partition = item.partition
    if (partition.state === 'lost') {
      leave(item, true)
    } else {
      const verdict = judge(attempt, item.attempts + 1, options.retry, runtime.random())
      if (channels.handle.hasSubscribers) diagnose(item, verdict)
      if (verdict.kind === 'retry' || verdict.kind === 'dead-letter') fail(item, verdict)
      else {
        leave(item, true)
        settle(item)
      }
    }
    dispatcher.pump()
    setup.onRoom(partition)
    storing.check()
  }

  function fail(item: Item, verdict: Extract<Verdict, { readonly kind: 'retry' | 'dead-letter' }>): void {
    item.attempts += 1
    item.firstFailedAt ??= runtime.now()
    dispatcher.pause(item)
    storing.track(
      item.partition,
      verdict.kind === 'retry' ? retryLater(item, verdict.delayMs) : deadLetter(item, verdict),
    )
  }

  /** The item is out of the dispatcher: the next of its key may run. */
  function leave(item: Item, wasRunning: boolean): void {
    item.partition.buffered -= item.record.body.length
    dispatcher.release(item, wasRunning)
  }

  /** The event needs no handling any more. */
  function settle(item: Item): void {
    const run = item.partition
    if (item.laneEntryId === undefined) {
      if (run.attempts.size > 0) run.attempts.delete(item.position)
      run.tracker.settle(item)
      touch(run)
    } else {
      item.settled = true
      storing.track(run, lane.done(item))
    }
    if (item.suspect) isolation.finished(item)
  }

  async function retryLater(item: Item, delayMs: number): Promise<void> {
    const run = item.partition
    if (item.laneEntryId !== undefined) {
      const postponed = lane.postpone(item, delayMs)
      await Promise.all([postponed, toLane(followersOf(item), 'follows')])
    } else if (delayMs <= IN_MEMORY_RETRY_MS && !item.suspect && !stopping && run.tracker.window < options.readAhead) {
      run.attempts.set(item.position, {
        position: item.position,
        attempts: item.attempts,
        firstFailedAt: item.firstFailedAt ?? runtime.now(),
      })
      touch(run)
      runtime.setTimer(() => dispatcher.again(item), delayMs)
      return
    } else {
      const followers = followersOf(item)
      run.buffered += item.record.body.length
      await toLane([item, ...followers], 'retry', delayMs)
    }
    leave(item, false)
    dispatcher.pump()
    if (item.suspect) isolation.finished(item)
  }

  /** Written first, settled second: a crash in between only finds the letter there already. */
  async function deadLetter(item: Item, failure: Failure, { isDispatched = true } = {}): Promise<void> {
    const run = item.partition
    const parks = options.onDeadLetter === 'park-key' && item.orderKey !== undefined
    const letter = deadLetterOf(item, failure, { group, now: runtime.now() })
    const written = parks ? lane.park(item, letter) : lane.bury(item, letter)
    if (parks) await Promise.all([written, toLane(followersOf(item), 'follows')])
    if ((await written) === 'fenced') return setup.onFenced(run)
    if (isDispatched) leave(item, false)
    else run.buffered -= item.record.body.length
    settle(item)
    dispatcher.pump()
  }

  /** A crash came between a dead letter and its settle. */
  function buried(item: Item): void {
    item.partition.buffered -= item.record.body.length
    settle(item)
  }

  /** Moves fetched events into the lane, in order; entries that come from there are put back. */
  async function toLane(items: readonly Item[], reason: 'retry' | 'follows', delayMs = 0): Promise<void> {
    for (const item of items) item.partition.buffered -= item.record.body.length
    for (const item of items) if (item.laneEntryId !== undefined) lane.putBack(item)
    const fromLog = items.filter((item) => item.laneEntryId === undefined)
    await lane.move(fromLog, reason, delayMs)
  }

  function diagnose(item: Item, verdict: Verdict): void {
    channels.handle.publish({
      millrace: setup.millrace,
      group,
      topic: item.record.topic,
      type: item.record.type,
      outcome: verdict.kind,
      attempt: item.attempts + 1,
      durationMs: runtime.monotonic() - item.startedAt,
      endToEndMs: Math.max(0, runtime.now() - item.record.recordedAt),
    })
  }

  return {
    dispatcher,
    lane,
    add,
    drop(run) {
      isolation.drop(run)
      handlers.abort(leaseLost(), run)
      storing.check()
    },
    whenIdle: storing.whenIdle,
    abandonAll() {
      stopping = true
      storing.giveUp()
      handlers.abort(new MillraceError('aborted', 'The subscription stops and the time for its handlers is up.'))
    },
    stop() {
      stopping = true
      storing.giveUp()
      lane.stop()
      handlers.stop()
    },
  }
}

function killedItsProcess(deathsAlone: number): Failure {
  return {
    code: 'handler_killed_process',
    message: `The process ended ${deathsAlone + 1} times while this event was handled, the last ${deathsAlone} times with this event alone.`,
    stack: undefined,
  }
}
