import type { TaskError } from '@millrace/core/driver'
import type { WriterState } from '../writer-state.ts'
import { endTask } from './ending.ts'
import { arrive, detach, givePlaces } from './places.ts'
import type { Touched } from './task-cache.ts'
import { handByNumber } from './task-hand.ts'

/** Tasks that one call takes at most. */
const MOST_TAKEN = 1_000

/** Takes tasks of a worker that is gone. When nothing is left, it is forgotten. */
export function reclaim(
  state: WriterState,
  request: { readonly worker: string; readonly deadAfterCrashes: number; readonly error: TaskError },
): { readonly taken: number; readonly touched: Touched } {
  const { worker, deadAfterCrashes, error } = request
  const { sql } = state
  const now = Math.floor(state.now())
  const workerId = sql.get<{ id: number }>('SELECT id FROM task_workers WHERE name = ?', worker)?.id
  if (workerId === undefined) return { taken: 0, touched: [] }
  const claims = sql.all<{ n: number; started: number; cancelling: number }>(
    `SELECT n, started, cancelling FROM task_running WHERE worker = ? LIMIT ${MOST_TAKEN}`,
    workerId,
  )
  for (const { n, started, cancelling } of claims) {
    const hand = handByNumber(state, n)
    sql.run('DELETE FROM task_running WHERE n = ?', n)
    if (hand === undefined) continue
    hand.started = started
    hand.crashes += 1
    hand.due = Math.min(hand.due, now)
    if (cancelling === 1) endTask(state, hand, { as: 'cancelled', now })
    else if (hand.crashes >= deadAfterCrashes) endTask(state, hand, { as: 'dead', error, now })
    else {
      detach(state, hand)
      arrive(state, hand, now)
    }
  }
  givePlaces(state, now)
  if (claims.length === 0) sql.run('DELETE FROM task_workers WHERE id = ?', workerId)
  else sql.run('UPDATE task_workers SET held = max(0, held - ?) WHERE id = ?', claims.length, workerId)
  return { taken: claims.length, touched: state.tasks.finish() }
}
