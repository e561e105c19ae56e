import type { Stores } from '../../driver/driver.ts'
import type { TaskStore } from '../../driver/task-store.ts'
import type { NewTask } from '../../driver/task.ts'
import { MillraceError } from '../../runtime/error.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { Instant, MemoryEngine } from '../engine.ts'
import { ahead, deadCounts, list, outcomes, queues, rowOf } from './browse.ts'
import { changeTasks } from './change.ts'
import { taskWeight } from './ending.ts'
import { enqueue, roomOf } from './enqueue.ts'
import { exchange } from './exchange.ts'
import { putQueue, removeQueue } from './queue-settings.ts'
import { reclaim } from './reclaim.ts'
import { dueSchedules, listSchedules, putSchedule, removeSchedule } from './schedules.ts'
import { listSettings, putSetting } from './settings.ts'
import { sweep } from './sweep.ts'
import type { TaskTable } from './task-table.ts'

/** Carries out an operation on the tasks at the time of the engine; others are told of what it has changed. */
type Operate = <Answer>(run: (table: TaskTable, at: number, engine: MemoryEngine) => Answer) => Answer

/** The stores of tasks, schedules and settings of one opened driver. */
export function createTaskStores(
  guard: () => MemoryEngine,
  instant: () => Instant,
  { runtime, closing }: { readonly runtime: Runtime; readonly closing: AbortSignal },
): Required<Pick<Stores, 'tasks' | 'taskAdmin' | 'schedules' | 'settings'>> {
  const owner = {}

  const operate: Operate = (run) => {
    const engine = guard()
    const { tasks } = engine
    const before = tasks.bytes
    const answer = run(tasks, timeOf(tasks, instant()), engine)
    engine.bytes += tasks.bytes - before
    if (tasks.changed.size > 0) {
      for (const listener of tasks.listeners) if (listener.owner !== owner) listener.tell(tasks.changed)
      tasks.changed.clear()
    }
    return answer
  }

  return {
    tasks: {
      enqueue: async (tasks) =>
        operate((table, at, engine) => {
          checkRoom(engine, tasks)
          return enqueue(table, tasks, { at })
        }),
      full: async (queues) => queues.filter((name) => roomOf(guard().tasks, name) === 0),
      exchange: async (request) => operate((table, at) => exchange(table, request, at)),
      holders: async () => [...guard().tasks.running.keys()],
      running: async (worker) =>
        [...(guard().tasks.running.get(worker) ?? [])].map(({ id, starts }) => ({ id, starts })),
      reclaim: async (request) => operate((table, at) => reclaim(table, request, at)),
      async get(ids) {
        const { tasks } = guard().tasks
        return ids.flatMap((id) => {
          const task = tasks.get(id)
          return task === undefined ? [] : rowOf(task)
        })
      },
      outcomes: async (parent) => outcomes(guard().tasks, parent),
      listen: (listener) => listen(guard().tasks, owner, listener, { runtime, closing }),
    },
    taskAdmin: {
      list: async (query) => list(guard().tasks, query),
      change: async (ids, change) => operate((table, at) => changeTasks(table, ids, change, at)),
      ahead: async (id, limit) => ahead(guard().tasks, id, limit),
      deadCounts: async (query = {}) => deadCounts(guard().tasks, query),
      logs: async (id) => [...(guard().tasks.tasks.get(id)?.log ?? [])],
      queues: async () => operate((table, at) => queues(table, at)),
      putQueue: async (queue) => operate((table, at) => putQueue(table, queue, at)),
      removeQueue: async (name) => operate((table) => removeQueue(table, name)),
      sweep: async () => operate((table, at) => sweep(table, at)),
    },
    schedules: {
      put: async (schedule, expectedVersion) => putSchedule(guard().schedules, schedule, expectedVersion),
      get: async (name) => guard().schedules.byName.get(name)?.row,
      list: async (query) => listSchedules(guard().schedules, query),
      remove: async (name) => removeSchedule(guard().schedules, name),
      due: async (now, limit) => dueSchedules(guard().schedules, now, limit),
      fire: async ({ row, tasks }) =>
        operate((table, at, engine) => {
          if (engine.schedules.byName.get(row.name)?.row.version !== row.version) return false
          checkRoom(engine, tasks)
          enqueue(table, tasks, { at, always: true })
          return putSchedule(engine.schedules, row, row.version) !== undefined
        }),
    },
    settings: {
      get: async (name) => guard().settings.get(name),
      list: async (prefix) => listSettings(guard().settings, prefix),
      put: async (name, value, expectedVersion) => putSetting(guard().settings, { name, value, expectedVersion }),
    },
  }
}

/** The clock of the engine: it shows the wall's time of its first use and never goes back. */
function timeOf(table: TaskTable, { now, monotonic }: Instant): number {
  table.offsetMs ??= now - monotonic
  return monotonic + table.offsetMs
}

function checkRoom(engine: MemoryEngine, tasks: readonly NewTask[]): void {
  const bytes = tasks.reduce((sum, task) => sum + taskWeight(task), 0)
  if (engine.bytes + bytes <= engine.maxBytes) return
  throw new MillraceError(
    'engine_full',
    `The memory engine holds ${engine.bytes} bytes and may hold ${engine.maxBytes}, so that ${tasks.length} tasks are not added. Keep less of what has ended, or raise maxBytes.`,
    { retriable: true, facts: { bytes: engine.bytes, maxBytes: engine.maxBytes } },
  )
}

/** Tells a listener once for all that others change in one turn. */
function listen(
  table: TaskTable,
  owner: object,
  listener: (queues: readonly string[]) => void,
  { runtime, closing }: { readonly runtime: Runtime; readonly closing: AbortSignal },
): ReturnType<NonNullable<TaskStore['listen']>> {
  const pending = new Set<string>()
  const registered = {
    owner,
    tell(queueNames: Iterable<string>) {
      if (pending.size === 0) runtime.defer(flush)
      for (const name of queueNames) pending.add(name)
    },
  }
  const stop = (): void => {
    table.listeners.delete(registered)
    closing.removeEventListener('abort', stop)
  }
  function flush(): void {
    const names = [...pending]
    pending.clear()
    if (table.listeners.has(registered)) listener(names)
  }
  table.listeners.add(registered)
  closing.addEventListener('abort', stop, { once: true })
  return { arriving: true, stop }
}
