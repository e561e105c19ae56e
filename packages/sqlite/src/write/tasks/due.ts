import { DELAYED } from '../../task-state.ts'
import type { WriterState } from '../writer-state.ts'
import { arrive, detach, givePlaces } from './places.ts'
import type { QueueState } from './queue-cache.ts'
import { handsWhere } from './task-hand.ts'

/** Tasks that one claim makes due at most, so that no exchange takes long. */
const MOST_DUE = 2_000

/** Moves on what is due in a queue. */
export function makeDue(state: WriterState, queue: QueueState, now: number): void {
  if ((queue.counts[DELAYED] ?? 0) === 0) return
  const due = handsWhere(
    state,
    `t.queue = ? AND t.state = 1 AND t.due <= ? ORDER BY t.due, t.n LIMIT ${MOST_DUE}`,
    queue.id,
    now,
  )
  for (const hand of due) {
    detach(state, hand)
    arrive(state, hand, now)
  }
  givePlaces(state, now)
}
