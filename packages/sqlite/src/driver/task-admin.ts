import type { ScheduleStore, SettingStore, TaskAdmin } from '@millrace/core/driver'
import { encodeTasks } from '../write/tasks/task-batch.ts'
import type { Lifecycle } from './connection.ts'

/** Looking at tasks and queues, and changing them. */
export function createTaskAdmin(life: Lifecycle): TaskAdmin {
  return {
    list: async (query) => life.current().reader.call('listTasks', query),
    async change(ids, change) {
      const { writer, news } = life.current()
      const { changed, touched } = await writer.call('changeTasks', { ids, change })
      news.own(touched)
      return changed
    },
    ahead: async (id, limit) => life.current().reader.call('tasksAhead', { id, limit }),
    deadCounts: async (query) => life.current().reader.call('deadTaskCounts', { queue: query?.queue }),
    logs: async (id) => life.current().reader.call('taskLogs', { id }),
    queues: async () => life.current().reader.call('queueStatus', undefined),
    async putQueue(queue) {
      const { writer, news } = life.current()
      const stored = await writer.call('putQueue', queue)
      if (stored === undefined) return undefined
      news.own(stored.touched)
      return { version: stored.version }
    },
    removeQueue: async (name) => life.current().writer.call('removeQueue', { name }),
    async sweep() {
      const { writer, news } = life.current()
      const { touched, ...swept } = await writer.call('sweepTasks', undefined)
      news.own(touched)
      return swept
    },
  }
}

/** Schedules. */
export function createScheduleStore(life: Lifecycle): ScheduleStore {
  return {
    put: async (row, expectedVersion) => life.current().writer.call('putSchedule', { row, expectedVersion }),
    get: async (name) => life.current().reader.call('getSchedule', { name }),
    list: async (query) => life.current().reader.call('listSchedules', query),
    remove: async (name) => life.current().writer.call('removeSchedule', { name }),
    due: async (now, limit) => life.current().reader.call('dueSchedules', { now, limit }),
    async fire({ row, tasks }) {
      const { writer, news } = life.current()
      const fired = await writer.call('fireSchedule', { row, tasks: encodeTasks(tasks) })
      if (fired !== undefined) news.own(fired.touched)
      return fired !== undefined
    },
  }
}

/** Settings that all processes share. */
export function createSettingStore(life: Lifecycle): SettingStore {
  return {
    get: async (name) => life.current().reader.call('getSetting', { name }),
    list: async (prefix) => life.current().reader.call('listSettings', { prefix }),
    put: async (name, value, expectedVersion) =>
      life.current().writer.call('putSetting', { name, value, expectedVersion }),
  }
}
