import type {
  ClaimedTask,
  Driver,
  NewTask,
  TaskAdmin,
  TaskExchanged,
  TaskSettle,
  TaskStore,
} from '@millrace/core/driver'
import { newTask, taskStoresOf } from '@millrace/core/testing'

/** The task stores of a driver. */
export function tasksOf(driver: Driver): { readonly tasks: TaskStore; readonly admin: TaskAdmin } {
  const { tasks, taskAdmin } = taskStoresOf(driver)
  return { tasks, admin: taskAdmin }
}

/** A task as it is added, by its id. */
export function task(id: string, over: Partial<NewTask> = {}): NewTask {
  return newTask({ id, queue: 'mail', name: 'mail.send', body: `{"input":"${id}"}`, ...over })
}

/** One exchange of a worker over the queue `mail`. */
export function exchange(
  tasks: TaskStore,
  settles: readonly TaskSettle[],
  { worker = 'w', limit = 10 }: { readonly worker?: string; readonly limit?: number } = {},
): Promise<TaskExchanged> {
  const claims = [{ queue: 'mail', names: ['mail.send'], limit, suspects: 0 }]
  return tasks.exchange({ worker, settles, notes: [], claims })
}

/** The tasks of the one claim of an exchange. */
export function claimedOf({ claimed }: TaskExchanged): readonly ClaimedTask[] {
  return claimed[0]?.tasks ?? []
}
