import type { TaskChange } from '@millrace/core/driver'
import {
  BLOCKED,
  BY_DELAY,
  BY_RATE,
  CANCELLED,
  DEAD,
  DELAYED,
  EXPIRED,
  hasEnded,
  READY,
  RUNNING,
  WAITING,
} from '../../task-state.ts'
import type { WriterState } from '../writer-state.ts'
import { cancelTask, removeEnded, unkeep } from './ending.ts'
import { arrive, detach, givePlaces } from './places.ts'
import { postpone, rerank } from './rerank.ts'
import type { Touched } from './task-cache.ts'
import { handOf, handsWhere, moveCount, saveHand, type TaskHand } from './task-hand.ts'

/** Changes tasks; tells which were changed. */
export function changeTasks(
  state: WriterState,
  { ids, change }: { readonly ids: readonly string[]; readonly change: TaskChange },
): { readonly changed: readonly string[]; readonly touched: Touched } {
  const now = Math.floor(state.now())
  const changed = ids.filter((id) => {
    const hand = handOf(state, id)
    return hand !== undefined && changeOne(state, hand, change, now)
  })
  givePlaces(state, now)
  return { changed, touched: state.tasks.finish() }
}

function changeOne(state: WriterState, hand: TaskHand, change: TaskChange, now: number): boolean {
  switch (change.action) {
    case 'cancel':
      if (hasEnded(hand.state)) return false
      cancelTask(state, hand, now)
      return true
    case 'discard':
      if (!hasEnded(hand.state) || hand.awaited === 1) return false
      removeEnded(state, hand)
      return true
    case 'prioritise': {
      if (hasEnded(hand.state) || hand.state === RUNNING) return false
      rerank(state, hand, { time: hand.rank + hand.headStart, headStart: Math.round(change.headStartMs) })
      return true
    }
    case 'postpone': {
      if (hand.state !== WAITING && hand.state !== READY && !isPutOff(hand)) return false
      const due = now + Math.max(0, Math.ceil(change.delayMs))
      postpone(state, hand, { due, headStart: hand.headStart, now })
      return true
    }
    case 'run':
      if (isPutOff(hand)) runNow(state, hand, now)
      else if (hand.state === DEAD || hand.state === CANCELLED || hand.state === EXPIRED) {
        addAgain(state, hand, change.body, now)
      } else return false
      return true
  }
}

/** Whether a task is delayed for another reason than the rate of its key. */
function isPutOff({ state, why }: TaskHand): boolean {
  return state === DELAYED && why !== BY_RATE
}

function runNow(state: WriterState, hand: TaskHand, now: number): void {
  detach(state, hand)
  hand.due = now
  hand.rank = Math.min(hand.rank + hand.headStart, now) - hand.headStart
  arrive(state, hand, now)
}

const BEGIN_ANEW = `
  UPDATE tasks SET n = ?2, added = ?3, ended = NULL, end_order = NULL, output = NULL, code = NULL, message = NULL, stack = NULL, fingerprint = NULL,
    body = ifnull(?4, body) WHERE n = ?1`

/** A task that has ended begins anew, at the end of the order of adding. */
function addAgain(state: WriterState, ended: TaskHand, body: string | undefined, now: number): void {
  if (ended.awaited === 0) unkeep(state, ended)
  if (ended.children > 0) keepChildren(state, ended)
  const n = state.tasks.queues.nextNumber()
  state.sql.run(BEGIN_ANEW, ended.n, n, now, body ?? null)
  state.sql.run('UPDATE task_logs SET n = ? WHERE n = ?', n, ended.n)
  state.sql.run('DELETE FROM task_progress WHERE n = ?', ended.n)
  const hand: TaskHand = {
    ...ended,
    n,
    rank: now - ended.headStart,
    due: now,
    attempts: 0,
    crashes: 0,
    why: BY_DELAY,
    placed: 0,
    started: null,
    expires: null,
    awaited: ended.parent !== null && countForParent(state, ended.parent) ? 1 : 0,
  }
  if (hand.pending === 0) return arrive(state, hand, now)
  moveCount(state, hand, BLOCKED)
  saveHand(state, hand)
}

/** Counts one more child that has not ended; whether the parent has not ended either. */
function countForParent(state: WriterState, parent: string): boolean {
  const hand = handOf(state, parent)
  if (hand === undefined) return false
  state.sql.run('UPDATE tasks SET pending = pending + 1 WHERE n = ?', hand.n)
  return !hasEnded(hand.state)
}

/** The children of a task that is added again are kept until it has ended anew. */
function keepChildren(state: WriterState, { id }: TaskHand): void {
  for (const child of handsWhere(state, 't.parent = ? AND t.awaited = 0', id)) {
    if (hasEnded(child.state)) unkeep(state, child)
  }
  state.sql.run('UPDATE tasks SET awaited = 1 WHERE parent = ?', id)
}
