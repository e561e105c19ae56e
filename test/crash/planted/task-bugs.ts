import type { ClaimedTask, Engine, NewTask, TaskAdmin, TaskSettle, TaskStore } from '@millrace/core/driver'
import type { PlantedBug } from './bugs.ts'
import { aroundDriver, withStores } from './around-driver.ts'

/** Defects of a store of tasks that somebody could have written, and the property by which the checker must name each. */
export const PLANTED_TASK_BUGS: readonly PlantedBug[] = [
  {
    name: 'lets a settle past its fence',
    caughtAs: 'zombie-write',
    plant: (engine) =>
      changeTasks(engine, (tasks) => ({
        async exchange(request) {
          const answer = await tasks.exchange(request)
          const fenced = request.settles.filter((_, at) => answer.settled[at] === 'fenced')
          for (const row of await tasks.get(fenced.map(({ id }) => id))) {
            const settle = fenced.find(({ id }) => id === row.id)
            if (settle === undefined || row.worker === undefined) continue
            const settles = [{ ...settle, starts: row.starts }]
            await tasks.exchange({ worker: row.worker, settles, notes: [], claims: [] })
          }
          return { ...answer, settled: answer.settled.map(() => 'settled') }
        },
      })),
  },
  {
    name: 'hands a task to two',
    caughtAs: 'duplicate',
    plant(engine) {
      let handed: { readonly task: ClaimedTask; readonly worker: string } | undefined
      return changeTasks(engine, (tasks) => ({
        async exchange(request) {
          const answer = await tasks.exchange(request)
          const claimed = answer.claimed.map((claim) => {
            const one = handed
            const [first] = claim.tasks
            if (one !== undefined && one.worker !== request.worker && one.task.name === first?.name) {
              handed = undefined
              return { ...claim, tasks: [...claim.tasks, one.task] }
            }
            if (first !== undefined) handed = { task: first, worker: request.worker }
            return claim
          })
          return { ...answer, claimed }
        },
      }))
    },
  },
  {
    name: 'forgets a task of a worker that died',
    caughtAs: 'not-drained',
    plant: (engine) =>
      changeBoth(engine, (tasks, admin) => ({
        async reclaim(request) {
          const running = await admin.list({ states: ['running'], limit: 1_000 })
          const one = running.find(({ worker }) => worker === request.worker)
          if (one !== undefined) {
            const settles = [endOf(one, 'release', 3_600_000)]
            await tasks.exchange({ worker: request.worker, settles, notes: [], claims: [] })
          }
          return tasks.reclaim(request)
        },
      })),
  },
  {
    name: 'loses the task of a retry',
    caughtAs: 'lost',
    plant: (engine) =>
      changeSettles(engine, (settle) => (settle.as === 'retry' ? { ...settle, as: 'cancelled' } : settle)),
  },
  {
    name: 'forgets that an attempt has failed',
    caughtAs: 'attempts',
    plant: (engine) => {
      let retries = 0
      const isForgotten = ({ as }: TaskSettle): boolean => as === 'retry' && ++retries % 3 === 0
      return changeSettles(engine, (settle) => (isForgotten(settle) ? { ...settle, as: 'release' } : settle))
    },
  },
  {
    name: 'mixes the outputs of one exchange',
    caughtAs: 'output',
    plant: (engine) =>
      changeTasks(engine, (tasks) => ({
        exchange(request) {
          const outputs = request.settles.map(({ output }) => output).reverse()
          const settles = request.settles.map((settle, at) =>
            settle.as === 'done' ? { ...settle, output: outputs[at] ?? settle.output } : settle,
          )
          return tasks.exchange({ ...request, settles })
        },
      })),
  },
  {
    name: 'forgets that a worker has died with a task',
    caughtAs: 'attempts',
    plant: (engine) =>
      changeTasks(engine, (tasks) => ({
        async exchange(request) {
          const answer = await tasks.exchange(request)
          const innocent = (task: ClaimedTask): ClaimedTask => ({ ...task, crashes: 0 })
          const claimed = answer.claimed.map((claim) => ({ ...claim, tasks: claim.tasks.map(innocent) }))
          return { ...answer, claimed }
        },
      })),
  },
  {
    name: 'ignores dedupe keys',
    caughtAs: 'dedupe',
    plant: (engine) => changeAdded(engine, (task) => ({ ...task, dedupe: undefined })),
  },
  {
    name: 'ignores delays',
    caughtAs: 'early',
    plant: (engine) => changeAdded(engine, (task) => ({ ...task, delayMs: 0 })),
  },
  {
    name: 'starts a parent before its children have ended',
    caughtAs: 'flow',
    plant: (engine) => changeAdded(engine, (task) => ({ ...task, children: 0, parent: undefined })),
  },
  {
    name: 'stores all of a call but the last',
    caughtAs: 'lost',
    plant: (engine) =>
      changeTasks(engine, (tasks) => ({
        async enqueue(added) {
          const outcomes = await tasks.enqueue(added.length > 1 ? added.slice(0, -1) : added)
          const last = added.at(-1)
          return last === undefined || added.length === 1 ? outcomes : [...outcomes, { outcome: 'stored', id: last.id }]
        },
      })),
  },
  {
    name: 'fires a schedule twice',
    caughtAs: 'schedule',
    plant: (engine) =>
      aroundDriver(engine, (driver) => {
        const { schedules, tasks } = driver.stores
        if (schedules === undefined || tasks === undefined) return {}
        return withStores(driver, {
          schedules: {
            ...schedules,
            async fire(firing) {
              const won = await schedules.fire(firing)
              if (won) await tasks.enqueue(firing.tasks.map((task) => ({ ...task, id: `${task.id} again` })))
              return won
            },
          },
        })
      }),
  },
  {
    name: 'moves a schedule on without its task',
    caughtAs: 'schedule',
    plant: (engine) =>
      aroundDriver(engine, (driver) => {
        const { schedules } = driver.stores
        if (schedules === undefined) return {}
        return withStores(driver, {
          schedules: { ...schedules, fire: (firing) => schedules.fire({ ...firing, tasks: [] }) },
        })
      }),
  },
  {
    name: 'forgets the order of keys',
    caughtAs: 'reordered',
    plant: (engine) =>
      changeAdmin(engine, (admin) => ({
        putQueue: (queue) => admin.putQueue({ ...queue, settings: { ...queue.settings, key: FREE } }),
      })),
  },
  {
    name: 'forgets the concurrency of a queue',
    caughtAs: 'limit',
    plant: (engine) =>
      changeAdmin(engine, (admin) => ({
        putQueue: (queue) =>
          admin.putQueue({ ...queue, settings: { ...queue.settings, concurrency: undefined, key: FREE } }),
      })),
  },
  {
    name: 'runs what it has called cancelled',
    caughtAs: 'duplicate',
    plant: (engine) =>
      changeAdmin(engine, (admin) => ({
        change: async (ids, change) => (change.action === 'cancel' ? ids : admin.change(ids, change)),
      })),
  },
]

const FREE = { order: false, concurrency: undefined, rate: undefined }

function endOf(
  { id, starts }: { readonly id: string; readonly starts: number },
  as: TaskSettle['as'],
  delayMs: number,
): TaskSettle {
  return { id, starts, as, delayMs, output: undefined, error: undefined }
}

function changeTasks(engine: Engine, change: (tasks: TaskStore) => Partial<TaskStore>): Engine {
  return changeBoth(engine, change)
}

function changeBoth(engine: Engine, change: (tasks: TaskStore, admin: TaskAdmin) => Partial<TaskStore>): Engine {
  return aroundDriver(engine, (driver) => {
    const { tasks, taskAdmin } = driver.stores
    if (tasks === undefined || taskAdmin === undefined) return {}
    return withStores(driver, { tasks: { ...tasks, ...change(tasks, taskAdmin) } })
  })
}

function changeAdmin(engine: Engine, change: (admin: TaskAdmin) => Partial<TaskAdmin>): Engine {
  return aroundDriver(engine, (driver) => {
    const { taskAdmin } = driver.stores
    return taskAdmin === undefined ? {} : withStores(driver, { taskAdmin: { ...taskAdmin, ...change(taskAdmin) } })
  })
}

function changeSettles(engine: Engine, change: (settle: TaskSettle) => TaskSettle): Engine {
  return changeTasks(engine, (tasks) => ({
    exchange: (request) => tasks.exchange({ ...request, settles: request.settles.map(change) }),
  }))
}

function changeAdded(engine: Engine, change: (task: NewTask) => NewTask): Engine {
  return changeTasks(engine, (tasks) => ({ enqueue: (added) => tasks.enqueue(added.map(change)) }))
}
