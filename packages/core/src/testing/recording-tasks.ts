import type { Engine, Stores } from '../driver/driver.ts'
import type { ScheduleStore } from '../driver/schedule-store.ts'
import type { TaskAdmin } from '../driver/task-admin.ts'
import type { TaskStore } from '../driver/task-store.ts'
import type { NewTask } from '../driver/task.ts'
import type { AddedTask, ScheduledAt, TaskEntry } from './task-history.ts'

type Record = (entry: TaskEntry) => void

/** The same engine, which writes what its ports of tasks and schedules are asked and answer into a history. */
export function recordingTasks(engine: Engine, record: Record): Engine {
  return {
    name: engine.name,
    open(runtime) {
      const driver = engine.open(runtime)
      return { ...driver, stores: recordStores(driver.stores, record) }
    },
  }
}

function recordStores(stores: Stores, record: Record): Stores {
  const { tasks, taskAdmin, schedules } = stores
  let calls = 0
  const nextCall = (): number => (calls += 1)
  return {
    ...stores,
    ...(tasks === undefined ? {} : { tasks: recordTasks(tasks, record, nextCall) }),
    ...(taskAdmin === undefined ? {} : { taskAdmin: recordAdmin(taskAdmin, record, nextCall) }),
    ...(schedules === undefined ? {} : { schedules: recordSchedules(schedules, record, nextCall) }),
  }
}

function recordTasks(store: TaskStore, record: Record, nextCall: () => number): TaskStore {
  return {
    ...store,
    async enqueue(tasks) {
      const call = nextCall()
      record({ kind: 'add', phase: 'invoke', call, tasks: tasks.map(addedOf) })
      const outcomes = await store.enqueue(tasks)
      record({ kind: 'add', phase: 'ok', call, outcomes })
      return outcomes
    },
    async exchange(request) {
      const call = nextCall()
      const settles = request.settles.map(({ id, starts, as }) => ({ id, starts, as }))
      record({ kind: 'exchange', phase: 'invoke', call, worker: request.worker, settles })
      const answer = await store.exchange(request)
      const claimed = answer.claimed
        .flatMap(({ tasks }) => tasks)
        .map(({ id, queue, key, starts, attempts, crashes }) => ({ id, queue, key, starts, attempts, crashes }))
      record({ kind: 'exchange', phase: 'ok', call, settled: answer.settled, claimed })
      return answer
    },
    async reclaim(request) {
      const call = nextCall()
      record({ kind: 'reclaim', phase: 'invoke', call, worker: request.worker })
      const count = await store.reclaim(request)
      record({ kind: 'reclaim', phase: 'ok', call, count })
      return count
    },
  }
}

function recordAdmin(admin: TaskAdmin, record: Record, nextCall: () => number): TaskAdmin {
  return {
    ...admin,
    async change(ids, change) {
      if (change.action !== 'cancel') return admin.change(ids, change)
      const call = nextCall()
      record({ kind: 'cancel', phase: 'invoke', call, ids })
      const changed = await admin.change(ids, change)
      record({ kind: 'cancel', phase: 'ok', call, ids: changed })
      return changed
    },
  }
}

function recordSchedules(store: ScheduleStore, record: Record, nextCall: () => number): ScheduleStore {
  return {
    ...store,
    async fire(firing) {
      const call = nextCall()
      record({ kind: 'fire', phase: 'invoke', call, tasks: firing.tasks.map(addedOf) })
      const won = await store.fire(firing)
      record({ kind: 'fire', phase: 'ok', call, won })
      return won
    },
  }
}

function addedOf(task: NewTask): AddedTask {
  const { id, queue, name, key, delayMs, parent, failFast, dedupe } = task
  return {
    id,
    queue,
    name,
    key,
    delayMs,
    expires: task.expiresInMs !== undefined,
    dedupe: dedupe === undefined ? undefined : { key: dedupe.key, mode: dedupe.mode, until: dedupe.until },
    parent,
    failFast,
    schedule: scheduledIn(task.body),
  }
}

/** The schedule and the instant that a firing puts into the body of its task. */
export function scheduledIn(body: string): ScheduledAt | undefined {
  if (!body.includes('"scheduledat"')) return undefined
  const { metadata } = JSON.parse(body) as { metadata?: { extensions?: { schedule?: string; scheduledat?: string } } }
  const { schedule, scheduledat } = metadata?.extensions ?? {}
  return schedule === undefined || scheduledat === undefined ? undefined : { name: schedule, at: scheduledat }
}
