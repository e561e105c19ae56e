import { BY_DELAY, BY_RATE, DELAYED, READY, SUSPECT, WAITING } from '../../task-state.ts'
import type { WriterState } from '../writer-state.ts'
import type { KeyState } from './key-cache.ts'
import type { QueueState } from './queue-cache.ts'
import { afterTaking, timeOfTokens } from './rate.ts'
import { enterReady, handsWhere, leaveReady, moveCount, saveHand, type TaskHand } from './task-hand.ts'

/** Sends a task on that waits for nothing but its time, its key or a worker. It must have left its place, see `detach`. */
export function arrive(state: WriterState, hand: TaskHand, now: number): void {
  if (hand.due > now) return delay(state, hand)
  if (hand.key === null) return makeReady(state, hand, hand.due)
  const key = state.tasks.keys.get(hand.queue, hand.key)
  if (hand.placed === 1) return takePlace(state, { hand, key, now })
  const { settings } = state.tasks.queues.byId(hand.queue)
  hand.turn = settings.key.order ? hand.n : hand.rank
  key.waiting += 1
  state.tasks.keys.touch(key)
  moveCount(state, hand, WAITING)
  saveHand(state, hand)
}

/** Puts a task off, or lets it come anew; its place is kept only where the key is in order. It must have left where it was. */
export function putOff(state: WriterState, hand: TaskHand, due: number, now: number): void {
  if (!state.tasks.queues.byId(hand.queue).settings.key.order) leavePlace(state, hand)
  hand.due = due
  arrive(state, hand, now)
}

/** Takes a task that neither runs nor has ended out of what its state has beside its row; it still has its place. */
export function detach(state: WriterState, hand: TaskHand): void {
  leaveReady(state, hand)
  if (hand.key === null) return
  const key = state.tasks.keys.get(hand.queue, hand.key)
  if (hand.state === WAITING) key.waiting -= 1
  else if (hand.state === DELAYED && hand.why === BY_RATE) key.holding -= 1
  else if (hand.state === READY) key.ready = Math.max(0, key.ready - 1)
  state.tasks.keys.touch(key)
}

/** Gives up the place that a task has among those of its key. */
export function leavePlace(state: WriterState, hand: TaskHand): void {
  if (hand.placed === 0 || hand.key === null) return
  const key = state.tasks.keys.get(hand.queue, hand.key)
  hand.placed = 0
  key.held -= 1
  state.tasks.keys.touch(key)
}

/** Gives the free places of the keys that were touched to those who wait for them. */
export function givePlaces(state: WriterState, now: number): void {
  for (const key of state.tasks.keys.takeTouched()) {
    if (key.waiting === 0) continue
    const queue = state.tasks.queues.byId(key.queue)
    if (queue.settings.key.rate === undefined) letMoveUp(state, queue, key, now)
    else
      while (key.waiting > 0 && hasPlace(queue, key)) {
        const hand = firstWaiting(state, key)
        if (hand === undefined) break
        key.waiting -= 1
        key.held += 1
        hand.placed = 1
        takePlace(state, { hand, key, now })
      }
  }
  // Only keys that were just served are touched again here.
  state.tasks.keys.takeTouched()
}

const SELECT_WAITING = `
  SELECT n, name, rank, starts, crashes FROM tasks WHERE queue = ? AND key = ? AND state = 2 ORDER BY turn, n LIMIT ?`
const MOVE_UP = 'UPDATE tasks SET state = ?, placed = 1, why = 0 WHERE n = ?'

/** Without a rate, whoever gets a place can be claimed. */
function letMoveUp(state: WriterState, queue: QueueState, key: KeyState, now: number): void {
  const free = Math.min(placesOf(queue) - key.held, key.waiting)
  if (free <= 0) return
  const rows = state.sql.arrays<[n: number, name: number, rank: number, starts: number, crashes: number]>(
    SELECT_WAITING,
    key.queue,
    key.key,
    free,
  )
  for (const [n, name, rank, starts, crashes] of rows) {
    const to = crashes > 0 ? SUSPECT : READY
    state.sql.run(MOVE_UP, to, n)
    enterReady(state, { queue: queue.id, state: to, name, rank, n, starts }, now)
    queue.counts[WAITING] = (queue.counts[WAITING] ?? 0) - 1
    queue.counts[to] = (queue.counts[to] ?? 0) + 1
  }
  key.waiting -= rows.length
  key.held += rows.length
  state.tasks.touch(queue)
}

/** How many tasks of a key may have places. */
export function placesOf({ settings }: QueueState): number {
  return settings.key.order ? 1 : (settings.key.concurrency ?? Infinity)
}

function firstWaiting(state: WriterState, { queue, key }: KeyState): TaskHand | undefined {
  return handsWhere(state, 't.queue = ? AND t.key = ? AND t.state = 2 ORDER BY t.turn, t.n LIMIT 1', queue, key)[0]
}

/** Whether one more task of the key may have a place; when as many are ready as it can have tokens, a start must come first. */
function hasPlace(queue: QueueState, key: KeyState): boolean {
  const { rate } = queue.settings.key
  return key.held < placesOf(queue) && (rate === undefined || (key.holding === 0 && key.ready < rate.limit))
}

/** A task that has its place is ready when a token will be there for it; otherwise it is held until then. */
function takePlace(
  state: WriterState,
  { hand, key, now }: { readonly hand: TaskHand; readonly key: KeyState; readonly now: number },
): void {
  const { rate } = state.tasks.queues.byId(key.queue).settings.key
  state.tasks.keys.touch(key)
  if (rate !== undefined && hand.crashes === 0) {
    const at = timeOfTokens(rate, key.rateAt, Math.min(rate.limit, key.ready + 1))
    if (at > now) {
      hand.due = at
      hand.why = BY_RATE
      key.holding += 1
      return delay(state, hand)
    }
  }
  if (hand.crashes === 0) key.ready += 1
  makeReady(state, hand, now)
}

/** A start takes a token of the key, and perhaps makes room for another that is ready. */
export function startOfKey(state: WriterState, key: KeyState, from: number, now: number): void {
  const { rate } = state.tasks.queues.byId(key.queue).settings.key
  if (from === READY) key.ready = Math.max(0, key.ready - 1)
  if (rate !== undefined) key.rateAt = afterTaking(rate, key.rateAt, now, 1)
  state.tasks.keys.touch(key)
}

function delay(state: WriterState, hand: TaskHand): void {
  moveCount(state, hand, DELAYED)
  saveHand(state, hand)
  state.tasks.touch(state.tasks.queues.byId(hand.queue))
}

function makeReady(state: WriterState, hand: TaskHand, since: number): void {
  hand.why = BY_DELAY
  moveCount(state, hand, hand.crashes > 0 ? SUSPECT : READY)
  saveHand(state, hand)
  enterReady(state, hand, since)
  state.tasks.touch(state.tasks.queues.byId(hand.queue))
}
