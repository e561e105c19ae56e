import { READY, WAITING } from '../../task-state.ts'
import type { WriterState } from '../writer-state.ts'
import type { KeyState } from './key-cache.ts'
import { placesOf } from './places.ts'
import type { QueueState } from './queue-cache.ts'
import { handByNumber, leaveReady, moveCount, saveHand } from './task-hand.ts'

/** A task that has got a place of its key in this call. */
export interface KeyedTask {
  readonly n: number
  readonly turn: number
}

/**
 * Whether a new task can have its place at once, without being written as waiting first. When one that comes later in the same call should
 * have had the place, those that got one in this call wait again: `givePlaces` decides over all of them.
 */
export function placeAtOnce(
  state: WriterState,
  queue: QueueState,
  key: KeyState,
  { fresh, turn }: { readonly fresh: Map<KeyState, KeyedTask[]>; readonly turn: number },
): boolean {
  if (queue.settings.key.rate !== undefined) return false
  if (key.waiting === 0 && key.held < placesOf(queue)) return true
  const placed = fresh.get(key)
  if (placed === undefined || !placed.some((each) => each.turn > turn)) return false
  for (const { n } of placed) {
    const hand = handByNumber(state, n)
    if (hand === undefined || hand.state !== READY || hand.placed === 0) continue
    leaveReady(state, hand)
    hand.placed = 0
    moveCount(state, hand, WAITING)
    saveHand(state, hand)
    key.held -= 1
    key.waiting += 1
  }
  fresh.delete(key)
  return false
}
