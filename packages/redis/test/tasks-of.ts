import type { ClaimedTask, Driver, NewTask, TaskSettle } from '@millrace/core/driver'
import { newTask as anyTask, settleOf, taskStoresOf } from '@millrace/core/testing'

/** A task of the queue `q` with the name `n`. */
export function newTask(id: string, wish: Partial<NewTask> = {}): NewTask {
  return anyTask({ id, name: 'n', ...wish })
}

/** So many tasks with ids of their own. */
export function newTasks(count: number, wish: Partial<NewTask> = {}): NewTask[] {
  return Array.from({ length: count }, (_, at) => newTask(`${wish.queue ?? 'q'}-${at}`, wish))
}

/** What a worker claims of the queue `q`. */
export async function claim(driver: Driver, worker: string, limit = 100): Promise<readonly ClaimedTask[]> {
  return exchange(driver, worker, [], limit)
}

/** Settles, then claims of the queue `q`. */
export async function exchange(
  driver: Driver,
  worker: string,
  settles: readonly TaskSettle[],
  limit = 0,
): Promise<readonly ClaimedTask[]> {
  const claims = limit === 0 ? [] : [{ queue: 'q', names: ['n'], limit, suspects: 1 }]
  const { claimed } = await taskStoresOf(driver).tasks.exchange({ worker, settles, notes: [], claims })
  return claimed[0]?.tasks ?? []
}

/** That a task is done. */
export function done(task: ClaimedTask): TaskSettle {
  return settleOf(task, { output: '"fine"' })
}
