import type {
  ClaimedTask,
  Driver,
  NewTask,
  ScheduleStore,
  TaskAdmin,
  TaskExchange,
  TaskExchanged,
  TaskSettle,
  TaskStore,
} from '@millrace/core/driver'
import { storeOf, withStore, type Mutation } from './mutation.ts'

const MODEL = '65 everything at once is as the model says, part 1'

/** Defects of the stores of tasks and schedules. */
export const TASK_MUTATIONS: readonly Mutation[] = [
  {
    defect: 'one task in seven is claimed twice',
    caughtBy: '51 each task is claimed once, whoever claims',
    plant(driver) {
      let count = 0
      let kept: ClaimedTask | undefined
      return withClaimed(driver, (tasks) => {
        const again = kept !== undefined && tasks.length > 0 ? [...tasks, kept] : tasks
        kept = tasks.find(() => ++count % 7 === 0)
        return again
      })
    },
  },
  {
    defect: 'a retry forgets that an attempt has failed',
    caughtBy: '34 a retry counts and waits, a release does not count',
    plant: (driver) => withSettles(driver, (settle) => (settle.as === 'retry' ? { ...settle, as: 'release' } : settle)),
  },
  {
    defect: 'a settle does not ask for its claim',
    caughtBy: '51 a settle counts under its own claim only',
    plant: withoutFence,
  },
  {
    defect: 'a fenced settle is not told',
    caughtBy: '51 an exchange settles, then claims what became free',
    plant: (driver) =>
      withExchange(driver, async (request, exchange) => {
        const answer = await exchange(request)
        return { ...answer, settled: answer.settled.map(() => 'settled') }
      }),
  },
  {
    defect: 'the delay of a retry is ignored',
    caughtBy: '52 nothing passes a task of an ordered key across its retries',
    plant: (driver) => withSettles(driver, (settle) => ({ ...settle, delayMs: 0 })),
  },
  {
    defect: 'a retry lets its ordered key go on',
    caughtBy: '52 nothing passes a task of an ordered key across its retries',
    plant: (driver) => withQueue(driver, (key) => (key.order ? { ...key, order: false, concurrency: 1 } : key)),
  },
  {
    defect: 'keys have no limit',
    caughtBy: '52 no more than its concurrency run of a key',
    plant: (driver) => withQueue(driver, (key) => ({ ...key, concurrency: undefined })),
  },
  {
    defect: 'keys have no rate',
    caughtBy: '53 a key starts no more than its rate',
    plant: (driver) => withQueue(driver, (key) => ({ ...key, rate: undefined })),
  },
  {
    defect: 'a dedupe key is forgotten at the start',
    caughtBy: '55 a dedupe key lets one task in until it ends',
    plant: (driver) =>
      withNewTasks(driver, (task) => ({ ...task, dedupe: task.dedupe && { ...task.dedupe, until: 'start' } })),
  },
  {
    defect: 'debounce leaves the delay as it is',
    caughtBy: '55 debounce begins the delay anew',
    plant: (driver) =>
      withNewTasks(driver, (task) =>
        task.dedupe?.mode === 'debounce' ? { ...task, dedupe: { ...task.dedupe, mode: 'replace' } } : task,
      ),
  },
  {
    defect: 'head starts are ignored',
    caughtBy: '36 tasks come by rank, then in the order of adding',
    plant: (driver) => withNewTasks(driver, (task) => ({ ...task, headStartMs: 0 })),
  },
  {
    defect: 'tenants have no turns',
    caughtBy: '54 tenants take turns whatever one of them piles up',
    plant: (driver) => withNewTasks(driver, (task) => ({ ...task, tenant: undefined })),
  },
  {
    defect: 'one waiting task of a key in five is lost',
    caughtBy: '52 tasks of an ordered key come one by one, in the order of adding',
    plant: loseWaiting,
  },
  {
    defect: 'expiry is forgotten',
    caughtBy: '56 what has expired is never started',
    plant: (driver) => withNewTasks(driver, (task) => ({ ...task, expiresInMs: undefined })),
  },
  {
    defect: 'a worker is told only once what it is to cancel',
    caughtBy: '56 what runs is asked to cancel until it is settled',
    plant(driver) {
      const told = new Set<string>()
      return withExchange(driver, async (request, exchange) => {
        const answer = await exchange(request)
        return { ...answer, cancel: answer.cancel.filter((id) => !told.has(id) && told.add(id)) }
      })
    },
  },
  {
    defect: 'a crash is not counted',
    caughtBy: '57 a task that kills its workers is dead after so many',
    plant: (driver) =>
      withStore(driver, 'tasks', {
        reclaim: (request) => tasksOf(driver).reclaim({ ...request, deadAfterCrashes: Infinity }),
      }),
  },
  {
    defect: 'a worker gets any number of suspects',
    caughtBy: '57 tasks of a dead worker run again, alone',
    plant: (driver) =>
      withExchange(driver, (request, exchange) =>
        exchange({ ...request, claims: request.claims.map((claim) => ({ ...claim, suspects: claim.limit })) }),
      ),
  },
  {
    defect: 'a parent does not fail fast',
    caughtBy: '58 a parent that fails fast is dead with its first child',
    plant: (driver) => withNewTasks(driver, (task) => ({ ...task, failFast: false })),
  },
  {
    defect: 'the last words of a task are lost',
    caughtBy: '59 progress and log lines are kept with their task',
    plant: (driver) =>
      withExchange(driver, async ({ notes, ...request }, exchange) => {
        const answer = await exchange({ ...request, notes: [] })
        await exchange({ worker: request.worker, settles: [], claims: [], notes })
        return answer
      }),
  },
  {
    defect: 'a schedule that two fire at once fires twice',
    caughtBy: '62 of many that fire a schedule at once, one does',
    plant: (driver) =>
      withStore(driver, 'schedules', {
        async fire({ row, tasks }) {
          const store = schedulesOf(driver)
          for (;;) {
            const stored = await store.get(row.name)
            if (stored === undefined) return false
            if (await store.fire({ row: { ...row, version: stored.version }, tasks })) return true
          }
        },
      }),
  },
  {
    defect: 'a firing that came too late adds its tasks all the same',
    caughtBy: '62 a firing stores the row and adds its tasks in one step',
    plant: (driver) =>
      withStore(driver, 'schedules', {
        async fire(firing) {
          await tasksOf(driver).enqueue(firing.tasks)
          return schedulesOf(driver).fire(firing)
        },
      }),
  },
  {
    defect: 'outcomes of children come in the order of their ends',
    caughtBy: '58 the outcomes of children come in the order of the flow',
    plant: (driver) =>
      withStore(driver, 'tasks', {
        async outcomes(parent) {
          const states = ['done', 'dead', 'cancelled', 'expired'] as const
          const newestFirst = await adminOf(driver).list({ parent, states, limit: 1_000 })
          const found = await tasksOf(driver).outcomes(parent)
          return newestFirst.toReversed().flatMap(({ id }) => found.find((each) => each.id === id) ?? [])
        },
      }),
  },
  {
    defect: 'a sweep removes what has just ended',
    caughtBy: '61 the sweep keeps the newest that a queue keeps',
    plant: (driver) =>
      withStore(driver, 'taskAdmin', {
        async sweep() {
          const ended = await adminOf(driver).list({ states: ['done', 'dead', 'cancelled', 'expired'], limit: 2 })
          await adminOf(driver).change(
            ended.map(({ id }) => id),
            { action: 'discard' },
          )
          return adminOf(driver).sweep()
        },
      }),
  },
]

/** Defects that only many rules at once bring out. */
export const RARE_TASK_MUTATIONS: readonly Mutation[] = [
  {
    defect: 'one claim in ten gives a task less than it could',
    caughtBy: MODEL,
    plant(driver) {
      let count = 0
      return withExchange(driver, async (request, exchange) => {
        count += 1
        if (count % 10 !== 0) return exchange(request)
        const [first, ...others] = request.claims
        if (first === undefined || first.limit < 2) return exchange(request)
        return exchange({ ...request, claims: [{ ...first, limit: first.limit - 1 }, ...others] })
      })
    },
  },
  {
    defect: 'a release counts as an attempt',
    caughtBy: MODEL,
    plant: (driver) =>
      withSettles(driver, (settle) =>
        settle.as === 'release' && settle.delayMs > 0 ? { ...settle, as: 'retry' } : settle,
      ),
  },
  {
    defect: 'what was asked to cancel is tried again',
    caughtBy: MODEL,
    plant: (driver) =>
      withExchange(driver, async (request, exchange) => {
        const answer = await exchange(request)
        const cancelled = request.settles.filter(({ as }) => as === 'retry' || as === 'release').map(({ id }) => id)
        const rows = await tasksOf(driver).get(cancelled)
        const wrong = rows.filter(({ state }) => state === 'cancelled').map(({ id }) => id)
        if (wrong.length > 0) await adminOf(driver).change(wrong, { action: 'run' })
        return answer
      }),
  },
]

const tasksOf = (driver: Driver): TaskStore => storeOf(driver, 'tasks')
const adminOf = (driver: Driver): TaskAdmin => storeOf(driver, 'taskAdmin')
const schedulesOf = (driver: Driver): ScheduleStore => storeOf(driver, 'schedules')

function withExchange(
  driver: Driver,
  change: (request: TaskExchange, exchange: TaskStore['exchange']) => Promise<TaskExchanged>,
): Driver {
  return withStore(driver, 'tasks', { exchange: (request) => change(request, tasksOf(driver).exchange) })
}

function withClaimed(driver: Driver, change: (tasks: readonly ClaimedTask[]) => readonly ClaimedTask[]): Driver {
  return withExchange(driver, async (request, exchange) => {
    const answer = await exchange(request)
    return { ...answer, claimed: answer.claimed.map((each) => ({ ...each, tasks: change(each.tasks) })) }
  })
}

function withSettles(driver: Driver, change: (settle: TaskSettle) => TaskSettle): Driver {
  return withExchange(driver, (request, exchange) => exchange({ ...request, settles: request.settles.map(change) }))
}

function withNewTasks(driver: Driver, change: (task: NewTask) => NewTask): Driver {
  return withStore(driver, 'tasks', { enqueue: (tasks) => tasksOf(driver).enqueue(tasks.map(change)) })
}

type KeySettings = Parameters<TaskAdmin['putQueue']>[0]['settings']['key']

function withQueue(driver: Driver, change: (key: KeySettings) => KeySettings): Driver {
  return withStore(driver, 'taskAdmin', {
    putQueue: (queue) =>
      adminOf(driver).putQueue({ ...queue, settings: { ...queue.settings, key: change(queue.settings.key) } }),
  })
}

/** Whoever settles, the task is taken to run under that claim. */
function withoutFence(driver: Driver): Driver {
  return withExchange(driver, async (request, exchange) => {
    const settled: ('settled' | 'fenced')[] = []
    for (const settle of request.settles) {
      const [row] = await tasksOf(driver).get([settle.id])
      const claim = { settles: [{ ...settle, starts: row?.starts ?? settle.starts }], notes: [], claims: [] }
      settled.push(...(await exchange({ worker: row?.worker ?? request.worker, ...claim })).settled)
    }
    return { ...(await exchange({ ...request, settles: [] })), settled }
  })
}

function loseWaiting(driver: Driver): Driver {
  let count = 0
  return withStore(driver, 'tasks', {
    async enqueue(tasks) {
      const outcomes = await tasksOf(driver).enqueue(tasks)
      const rows = await tasksOf(driver).get(tasks.map(({ id }) => id))
      const lost = rows.filter(({ state }) => state === 'waiting' && ++count % 5 === 0).map(({ id }) => id)
      await adminOf(driver).change(lost, { action: 'cancel' })
      await adminOf(driver).change(lost, { action: 'discard' })
      return outcomes
    },
  })
}
