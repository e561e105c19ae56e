import type { ScheduleRow, ScheduleStore } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { DUE_SCHEDULES, FIRE_SCHEDULE, LIST_SCHEDULES, PUT_SCHEDULE, REMOVE_SCHEDULE } from '../scripts/schedules.ts'
import { addingError, type TaskCalls } from './task-calls.ts'
import { encodeTasks } from './task-text.ts'

/** Schedules beside the tasks that they add, in the same slot. */
export function createScheduleStore(redis: Connection, calls: TaskCalls): ScheduleStore {
  const { schedules } = redis.keys.tasks
  return {
    async put(schedule, expectedVersion) {
      const reply = await calls.write(PUT_SCHEDULE, argsOf(schedule, expectedVersion))
      return reply === 1 ? { ...schedule, version: expectedVersion + 1 } : undefined
    },
    async get(name) {
      const row = await redis.call(['HGET', schedules, name], schedules)
      return typeof row === 'string' ? decodeRow(name, row) : undefined
    },
    async list({ after, limit }) {
      const from = after === undefined ? '-' : `(${after}`
      return decodeRows((await calls.read(LIST_SCHEDULES, [from, String(limit)])) as readonly string[])
    },
    remove: async (name) => (await calls.write(REMOVE_SCHEDULE, [name])) === 1,
    async due(now, limit) {
      const args = [String(Math.floor(now)), String(limit)]
      const [found, nextAt] = (await calls.read(DUE_SCHEDULES, args)) as readonly [readonly string[], string]
      return { due: decodeRows(found), nextAt: instant(nextAt) }
    },
    async fire({ row, tasks }) {
      const args = [...argsOf(row, row.version), ...encodeTasks(tasks)]
      const reply = await calls.write(FIRE_SCHEDULE, args).catch((error: unknown) => Promise.reject(addingError(error)))
      return reply === 1
    },
  }
}

function argsOf({ name, spec, nextAt, lastAt }: Omit<ScheduleRow, 'version'>, version: number): string[] {
  return [name, String(version), textOf(nextAt), textOf(lastAt), spec]
}

function textOf(at: number | undefined): string {
  return at === undefined ? '' : String(at)
}

function decodeRows(reply: readonly string[]): ScheduleRow[] {
  const rows: ScheduleRow[] = []
  for (let at = 0; at + 1 < reply.length; at += 2) rows.push(decodeRow(reply[at] ?? '', reply[at + 1] ?? ''))
  return rows
}

function decodeRow(name: string, row: string): ScheduleRow {
  const [version, nextAt = '', lastAt = ''] = row.split('\n', 3)
  const spec = row.slice(`${version}\n${nextAt}\n${lastAt}\n`.length)
  return { name, version: Number(version), spec, nextAt: instant(nextAt), lastAt: instant(lastAt) }
}

function instant(text: string): number | undefined {
  return text === '' ? undefined : Number(text)
}
