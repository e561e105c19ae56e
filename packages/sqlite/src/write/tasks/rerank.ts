import { BY_DELAY, READY, SUSPECT, WAITING } from '../../task-state.ts'
import type { WriterState } from '../writer-state.ts'
import { detach, putOff } from './places.ts'
import { enterReady, leaveReady, saveHand, type TaskHand } from './task-hand.ts'

/** Gives a task that neither runs nor has ended another place in the order. */
export function rerank(
  state: WriterState,
  hand: TaskHand,
  { time, headStart }: { readonly time: number; readonly headStart: number },
): void {
  const isReady = hand.state === READY || hand.state === SUSPECT
  const since = isReady ? readySince(state, hand) : 0
  leaveReady(state, hand)
  hand.rank = time - headStart
  hand.headStart = headStart
  const queue = state.tasks.queues.byId(hand.queue)
  if (hand.state === WAITING && !queue.settings.key.order) hand.turn = hand.rank
  saveHand(state, hand)
  if (isReady) enterReady(state, hand, since)
  state.tasks.touch(queue)
}

/** Puts a task off that is waiting, ready or delayed. */
export function postpone(
  state: WriterState,
  hand: TaskHand,
  to: { readonly due: number; readonly headStart: number; readonly now: number },
): void {
  detach(state, hand)
  hand.headStart = to.headStart
  hand.rank = to.due - to.headStart
  hand.why = BY_DELAY
  putOff(state, hand, to.due, to.now)
}

function readySince({ sql }: WriterState, { queue, state, name, rank, n }: TaskHand): number {
  const row = sql.get<{ since: number }>(
    'SELECT since FROM task_ready WHERE queue = ? AND suspect = ? AND name = ? AND rank = ? AND n = ?',
    queue,
    state === SUSPECT ? 1 : 0,
    name,
    rank,
    n,
  )
  return row?.since ?? 0
}
