import type { TaskStore } from '../../driver/task-store.ts'
import { endTask } from './ending.ts'
import { arrive, detach, givePlaces } from './places.ts'
import type { TaskTable } from './task-table.ts'

const MOST_RECLAIMED = 1_000

/** Takes tasks of a worker that is gone; returns how many. */
export function reclaim(
  table: TaskTable,
  { worker, deadAfterCrashes, error }: Parameters<TaskStore['reclaim']>[0],
  at: number,
): number {
  const taken = [...(table.running.get(worker) ?? [])].slice(0, MOST_RECLAIMED)
  for (const task of taken) {
    task.crashes += 1
    if (task.cancelling) endTask(table, task, { as: 'cancelled', at })
    else if (task.crashes >= deadAfterCrashes) endTask(table, task, { as: 'dead', at, error })
    else {
      detach(table, task)
      arrive(table, task, at)
    }
  }
  givePlaces(table, at)
  return taken.length
}
