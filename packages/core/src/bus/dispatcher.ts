import { createFifo } from './fifo.ts'
import type { Item, KeyQueues } from './partition-run.ts'

/** Decides what runs next: one at a time by key, at most `concurrency` in all, oldest first. */
export interface Dispatcher {
  /** Queues an item behind those of its key. */
  add(item: Item): void
  /** The attempt has ended and the item keeps its key: it will come back through `again`. */
  pause(item: Item): void
  /** An item that kept its key is ready to run again. */
  again(item: Item): void
  /** The item is through: the next of its key may run. `wasRunning` frees its slot. */
  release(item: Item, wasRunning: boolean): void
  /** Takes the items that wait behind this one's key away, in order. The item keeps the key. */
  takeFollowers(item: Item): Item[]
  setConcurrency(concurrency: number): void
  /** Starts what may start now. */
  pump(): void
  hold(): void
  resume(): void
  readonly running: number
  /** Items that could start now if there were room. */
  readonly ready: number
}

export interface DispatcherOptions {
  readonly concurrency: number
  readonly start: (item: Item) => void
  readonly mayStart: () => boolean
  /** Calls back after the current turn of the event loop. */
  readonly defer: (run: () => void) => void
}

/** The keys of a partition that are remembered in any case, although most of them are through. */
const IDLE_KEYS = 1_024

/** Starts in one turn of the event loop at most: quick handlers must not keep timers, answers and requests waiting. */
const STARTS_PER_TURN = 200

export function createDispatcher({ concurrency, start, mayStart, defer }: DispatcherOptions): Dispatcher {
  const ready = createFifo<Item>()
  let running = 0
  let limit = concurrency
  let held = false
  let pumping = false
  let started = 0
  let turning = false

  function pump(): void {
    if (pumping || turning) return
    pumping = true
    try {
      while (!held && running < limit && ready.length > 0 && mayStart()) {
        const item = ready.shift()
        if (item === undefined) break
        if (item.partition.state !== 'active') {
          nextOfKey(item)
          continue
        }
        running += 1
        item.partition.running += 1
        start(item)
        if (++started >= STARTS_PER_TURN) return nextTurn()
      }
    } finally {
      pumping = false
    }
  }

  function nextTurn(): void {
    turning = true
    defer(() => {
      turning = false
      started = 0
      pump()
    })
  }

  function nextOfKey(item: Item): void {
    if (item.orderKey === undefined) return
    const { keys } = item.partition
    const next = keys.queues.get(item.orderKey)?.shift()
    if (next === undefined) keys.queues.set(item.orderKey, undefined)
    else ready.push(next)
  }

  return {
    add(item) {
      if (item.orderKey !== undefined) {
        const { keys } = item.partition
        const waiting = keys.queues.get(item.orderKey)
        if (waiting === undefined) take(keys, item.orderKey)
        else if (waiting === null) {
          const followers = createFifo<Item>()
          followers.push(item)
          keys.queues.set(item.orderKey, followers)
          return
        } else {
          waiting.push(item)
          return
        }
      }
      ready.push(item)
    },
    pause(item) {
      running -= 1
      item.partition.running -= 1
    },
    again(item) {
      ready.push(item)
      pump()
    },
    release(item, wasRunning) {
      if (wasRunning) {
        running -= 1
        item.partition.running -= 1
      }
      nextOfKey(item)
    },
    takeFollowers(item) {
      const queue = item.orderKey === undefined ? undefined : item.partition.keys.queues.get(item.orderKey)
      return queue?.drain() ?? []
    },
    setConcurrency(next) {
      limit = next
      pump()
    },
    pump,
    hold: () => void (held = true),
    resume() {
      held = false
      pump()
    },
    get running() {
      return running
    },
    get ready() {
      return ready.length
    },
  }
}

/**
 * A key is busy from now on. Keys stay in the map when they are through, and leave it together once most of it is idle: taken out
 * and put in one by one, they would have V8 rebuild the map again and again (see `createSlots`).
 */
function take(keys: KeyQueues, key: string): void {
  if (keys.queues.size >= keys.most) {
    keys.queues = new Map([...keys.queues].filter(([, waiting]) => waiting !== undefined))
    keys.most = Math.max(IDLE_KEYS, keys.queues.size * 2)
  }
  keys.queues.set(key, null)
}
