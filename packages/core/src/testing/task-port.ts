import type { Driver, Stores } from '../driver/driver.ts'
import type { ClaimedTask, TaskSettle } from '../driver/task-store.ts'
import type { NewTask } from '../driver/task.ts'

/** For tests of drivers: a task as it is added. It is due at once, belongs to nobody and limits nothing, but for what is wished. */
export function newTask(wish: Partial<NewTask> & Pick<NewTask, 'id'>): NewTask {
  return {
    queue: 'q',
    name: 'job',
    body: '{"input":1}',
    key: undefined,
    tenant: undefined,
    headStartMs: 0,
    delayMs: 0,
    expiresInMs: undefined,
    dedupe: undefined,
    parent: undefined,
    children: 0,
    failFast: false,
    ...wish,
  }
}

/** For tests of drivers: the end of a claim; `done` unless it is wished. */
export function settleOf(
  { id, starts }: Pick<ClaimedTask, 'id' | 'starts'>,
  wish: Partial<TaskSettle> = {},
): TaskSettle {
  return { id, starts, as: 'done', delayMs: 0, output: undefined, error: undefined, ...wish }
}

/** The stores of tasks, which a driver has all of or none. */
export type TaskStores = Required<Pick<Stores, 'tasks' | 'taskAdmin' | 'schedules' | 'settings'>>

/** For tests of drivers: the stores of tasks. Throws where the driver has none. */
export function taskStoresOf({ stores }: Pick<Driver, 'stores'>): TaskStores {
  const { tasks, taskAdmin, schedules, settings } = stores
  if (tasks && taskAdmin && schedules && settings) return { tasks, taskAdmin, schedules, settings }
  throw new Error('The driver keeps no tasks.')
}
