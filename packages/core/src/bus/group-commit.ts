import type { Capabilities } from '../driver/capabilities.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createDeadlineWatch } from './deadline-watch.ts'
import { createFifo } from './fifo.ts'

/** What somebody waits for, but not for ever. */
export interface Timed {
  /** On the monotonic clock, in milliseconds. It is put off while the item only waits in a line that moves. */
  deadline: number
  /** How often it has gone out. */
  sent: number
  /** Its time was up, and whoever waited for it has been told. */
  isOver: boolean
}

export interface GroupCommitOptions<Item extends Timed> {
  readonly runtime: Runtime
  /** Milliseconds for one item. */
  readonly timeoutMs: number
  /** Those of the engine, which say how large flushes should be. Throws when it is closed. */
  readonly capabilities: () => Pick<Capabilities, 'smallBatches'>
  /** How many records an item is. Default: 1. */
  readonly recordsOf?: (item: Item) => number
  readonly charactersOf: (item: Item) => number
  /** Whether an item goes out by itself. Default: none does. */
  readonly isAlone?: (item: Item) => boolean
  /** Asked right before an item goes out: false when it has come to its end meanwhile. */
  readonly isWanted: (item: Item) => boolean
  /**
   * Sends a group, and tells everybody who is not over what became of theirs. Resolves with whether the engine had an answer; never
   * rejects. Up to then an item that is over takes its place among the pending.
   */
  readonly flush: (group: readonly Item[]) => Promise<boolean>
  /** Tells those whose time is up: all that is left to do for them. */
  readonly expire: (items: readonly Item[]) => void
}

/** Items on their way to the engine. Each is `add`ed once, goes out as often as it takes, and is `finish`ed once, unless its time was up. */
export interface GroupCommit<Item extends Timed> {
  /** Records that are not finished. */
  readonly pending: number
  add(item: Item): void
  /** Sends an item once more, after a while. */
  again(item: Item, delayMs: number): void
  finish(item: Item): void
  /** Resolves when nothing is pending. */
  idle(): Promise<void>
}

/** The second flush is prepared while the engine syncs the first; more would only queue. */
const LARGE_FLUSHES = { records: 500, inFlight: 2 }
/** Where small batches cost next to nothing, more of them keep the engine and this thread at work side by side. */
const SMALL_FLUSHES = { records: 250, inFlight: 4 }
const MOST_CHARACTERS = 1024 * 1024
/** From so many on, what waits while nothing is in flight goes out in two halves where that pays: we prepare the one while the engine stores the other. */
const WORTH_HALVING = 128
/** What waits and is no less than this is worth a flush of its own. */
const MUCH = 64

/**
 * Group commit without a linger: what is added while flushes are in flight goes out together with the next one. A sending that gets no answer is
 * not given up, since what is sent after it must come after it; only those who wait are told when their time is up.
 */
export function createGroupCommit<Item extends Timed>({
  runtime,
  timeoutMs,
  capabilities,
  recordsOf = () => 1,
  charactersOf,
  isAlone = () => false,
  isWanted,
  flush,
  expire,
}: GroupCommitOptions<Item>): GroupCommit<Item> {
  const queue = createFifo<Item>()
  const alone = createFifo<Item>()
  // A set would do, but its discarded tables keep what went through it from being collected young.
  const underWay: (readonly Item[])[] = []
  const watch = createDeadlineWatch({ runtime, look: endOverdue })
  /** When the engine had its last answer. */
  let answeredAt = -Infinity
  let pending = 0
  let scheduled = false
  /** Whether something has gone out since the event loop last came round. */
  let hasPumped = false
  let idleWaiters: (() => void)[] = []

  function put(item: Item): void {
    const line = isAlone(item) ? alone : queue
    line.push(item)
    watch.by(item.deadline)
    schedule()
  }

  function schedule(): void {
    if (scheduled || underWay.length >= flushes().inFlight || waiting() === 0) return
    scheduled = true
    if (hasPumped) runtime.defer(pump)
    else runtime.afterPromises(() => (waiting() < MUCH ? runtime.defer(pump) : pump()))
  }

  function waiting(): number {
    return queue.length + alone.length
  }

  /**
   * Little goes out when the event loop comes round, with what else arrives until then. Much does not wait for that, once in each turn: answers that have
   * arrived would be heard first, and while those who waited for them publish more, the engine would have nothing to do. Only once, since an engine that
   * answers at once would keep the loop from coming round.
   */
  function pump(): void {
    scheduled = false
    if (!hasPumped) runtime.defer(() => void (hasPumped = false))
    hasPumped = true
    while (underWay.length < flushes().inFlight && waiting() > 0) {
      const group = takeGroup()
      if (group.length === 0) continue
      underWay.push(group)
      void flush(group).then((answered) => flushed(group, answered))
    }
  }

  function flushed(group: readonly Item[], answered: boolean): void {
    underWay.splice(underWay.indexOf(group), 1)
    if (answered) answeredAt = runtime.monotonic()
    for (const item of group) if (item.isOver) finish(item)
    schedule()
  }

  function takeGroup(): readonly Item[] {
    const single = alone.shift()
    if (single !== undefined) return goesOut(single) ? [single] : []
    const group: Item[] = []
    const { records: atMost } = flushes()
    const halves = underWay.length === 0 && queue.length >= WORTH_HALVING && atMost < LARGE_FLUSHES.records
    const most = Math.min(atMost, halves ? Math.ceil(queue.length / 2) : atMost)
    let records = 0
    let characters = 0
    while (records < most && characters < MOST_CHARACTERS) {
      const item = queue.shift()
      if (item === undefined) break
      if (!goesOut(item)) continue
      group.push(item)
      records += recordsOf(item)
      characters += charactersOf(item)
    }
    return group
  }

  function goesOut(item: Item): boolean {
    if (!isWanted(item)) return false
    if (item.sent === 0) item.deadline = deadlineOf(item)
    item.sent += 1
    return true
  }

  /** While the engine answers, what stands in the line for the first time is not late. */
  function deadlineOf({ sent, deadline }: Item): number {
    return sent === 0 ? Math.max(deadline, answeredAt + timeoutMs) : deadline
  }

  function endOverdue(now: number): number {
    let next = Infinity
    const waited: Item[] = []
    const sending: Item[] = []
    const isOverdue = (item: Item): boolean => {
      const deadline = item.isOver ? Infinity : deadlineOf(item)
      if (deadline > now) next = Math.min(next, deadline)
      return deadline <= now
    }
    for (const line of [queue, alone])
      for (const item of line.drain()) {
        if (isOverdue(item)) waited.push(item)
        else line.push(item)
      }
    for (const group of underWay) for (const item of group) if (isOverdue(item)) sending.push(item)
    const overdue = [...sending, ...waited]
    for (const item of overdue) item.isOver = true
    if (overdue.length > 0) expire(overdue)
    for (const item of waited) finish(item)
    return next
  }

  function finish(item: Item): void {
    pending -= recordsOf(item)
    if (pending > 0) return
    const waiters = idleWaiters
    idleWaiters = []
    for (const wake of waiters) wake()
  }

  function flushes(): typeof LARGE_FLUSHES {
    try {
      return capabilities().smallBatches === true ? SMALL_FLUSHES : LARGE_FLUSHES
    } catch {
      // It is closed, which the flush itself finds out.
      return LARGE_FLUSHES
    }
  }

  return {
    get pending() {
      return pending
    },
    add(item) {
      pending += recordsOf(item)
      put(item)
    },
    again: (item, delayMs) => void runtime.setTimer(() => put(item), delayMs),
    finish,
    idle: () => (pending === 0 ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve))),
  }
}
