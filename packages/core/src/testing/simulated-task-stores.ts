import { addingUnknown } from '../driver/adding-unknown.ts'
import type { Driver, Stores } from '../driver/driver.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { Remote } from './simulated-link.ts'

type TaskStores = Required<Pick<Stores, 'tasks' | 'taskAdmin' | 'schedules' | 'settings'>>

/**
 * The stores of tasks at the other end of a simulated network. An enqueue may come late or twice, as its id allows; what an exchange
 * has claimed is lost with its reply, as with any server. There are no hints.
 */
export function simulatedTaskStores(remote: Remote, isRefusal: (error: unknown) => boolean): TaskStores {
  const maybeAdded = <Answer>(adding: Promise<Answer>): Promise<Answer> =>
    adding.catch((error: unknown) => {
      throw isMillraceError(error, 'engine_unreachable') && !isRefusal(error) ? addingUnknown(error) : error
    })
  const late = { mayBeLate: true }
  const repeats = { mayRepeat: true }
  return {
    tasks: {
      enqueue: (tasks) =>
        maybeAdded(remote(true, (driver) => storesOf(driver).tasks.enqueue(tasks), { ...late, ...repeats })),
      full: (queues) => remote(false, (driver) => storesOf(driver).tasks.full(queues)),
      exchange: (request) => remote(true, (driver) => storesOf(driver).tasks.exchange(request), late),
      holders: () => remote(false, (driver) => storesOf(driver).tasks.holders()),
      running: (worker) => remote(false, (driver) => storesOf(driver).tasks.running(worker)),
      reclaim: (request) => remote(true, (driver) => storesOf(driver).tasks.reclaim(request), repeats),
      get: (ids) => remote(false, (driver) => storesOf(driver).tasks.get(ids)),
      outcomes: (parent) => remote(false, (driver) => storesOf(driver).tasks.outcomes(parent)),
    },
    taskAdmin: {
      list: (query) => remote(false, (driver) => storesOf(driver).taskAdmin.list(query)),
      change: (ids, change) => remote(true, (driver) => storesOf(driver).taskAdmin.change(ids, change)),
      ahead: (id, limit) => remote(false, (driver) => storesOf(driver).taskAdmin.ahead(id, limit)),
      deadCounts: (query) => remote(false, (driver) => storesOf(driver).taskAdmin.deadCounts(query)),
      logs: (id) => remote(false, (driver) => storesOf(driver).taskAdmin.logs(id)),
      queues: () => remote(false, (driver) => storesOf(driver).taskAdmin.queues()),
      putQueue: (queue) => remote(true, (driver) => storesOf(driver).taskAdmin.putQueue(queue)),
      removeQueue: (name) => remote(true, (driver) => storesOf(driver).taskAdmin.removeQueue(name)),
      sweep: () => remote(true, (driver) => storesOf(driver).taskAdmin.sweep(), repeats),
    },
    schedules: {
      put: (schedule, expected) => remote(true, (driver) => storesOf(driver).schedules.put(schedule, expected)),
      get: (name) => remote(false, (driver) => storesOf(driver).schedules.get(name)),
      list: (query) => remote(false, (driver) => storesOf(driver).schedules.list(query)),
      remove: (name) => remote(true, (driver) => storesOf(driver).schedules.remove(name)),
      due: (now, limit) => remote(false, (driver) => storesOf(driver).schedules.due(now, limit)),
      fire: (firing) => maybeAdded(remote(true, (driver) => storesOf(driver).schedules.fire(firing), late)),
    },
    settings: {
      get: (name) => remote(false, (driver) => storesOf(driver).settings.get(name)),
      list: (prefix) => remote(false, (driver) => storesOf(driver).settings.list(prefix)),
      put: (name, value, expected) => remote(true, (driver) => storesOf(driver).settings.put(name, value, expected)),
    },
  }
}

function storesOf({ stores }: Driver): TaskStores {
  const { tasks, taskAdmin, schedules, settings } = stores
  if (tasks === undefined || taskAdmin === undefined || schedules === undefined || settings === undefined) {
    throw new Error('The engine of a simulation keeps tasks.')
  }
  return { tasks, taskAdmin, schedules, settings }
}
