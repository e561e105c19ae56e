import type { ScheduleRow, ScheduleStore } from '@millrace/core/driver'
import type { Database } from '../database/database.ts'
import type { Connection } from '../driver/connection.ts'
import { decodeName, encodeName } from '../name-codec.ts'
import { enqueueColumns, tellOfTasks } from './enqueue.ts'

/** The schedules of one schema; a change is one statement that compares versions. */
export function createScheduleStore(current: () => Connection): ScheduleStore {
  const database = (): Database => current().database
  return {
    async put(schedule, expectedVersion) {
      const row = await database().first<StoredSchedule>(
        `SELECT * FROM $S.put_schedule_1($1, $2, $3, $4, $5) WHERE name IS NOT NULL`,
        ...columnsOf(schedule),
        expectedVersion,
      )
      return row && scheduleOf(row)
    },
    async get(name) {
      const row = await database().first<StoredSchedule>(`SELECT * FROM $S.schedules WHERE name = $1`, encodeName(name))
      return row && scheduleOf(row)
    },
    list: async ({ after, limit }) =>
      (
        await database().rows<StoredSchedule>(
          `SELECT * FROM $S.schedules s WHERE $1::text IS NULL OR s.name > $1 ORDER BY s.name LIMIT $2`,
          after === undefined ? null : encodeName(after),
          limit,
        )
      ).map(scheduleOf),
    remove: async (name) => (await database().run('DELETE FROM $S.schedules WHERE name = $1', encodeName(name))) === 1,
    async due(now, limit) {
      const rows = await database().rows<StoredSchedule>(
        `(SELECT * FROM $S.schedules s WHERE s.next_at <= $1 ORDER BY s.next_at, s.name LIMIT $2)
         UNION ALL (SELECT * FROM $S.schedules s WHERE s.next_at > $1 ORDER BY s.next_at, s.name LIMIT 1)`,
        now,
        limit,
      )
      const due = rows.map(scheduleOf)
      const later = due.filter(({ nextAt }) => nextAt !== undefined && nextAt > now)
      return { due: due.filter((row) => !later.includes(row)), nextAt: later[0]?.nextAt }
    },
    async fire({ row, tasks }) {
      const reply = await database().first<{ fired: boolean }>(
        'SELECT $S.fire_schedule_1($1, $2, $3, $4, $5, $6) AS fired',
        ...columnsOf(row),
        row.version,
        tasks.length === 0 ? null : JSON.stringify(enqueueColumns(tasks)),
      )
      if (reply?.fired === true) tellOfTasks(current(), tasks)
      return reply?.fired === true
    },
  }
}

interface StoredSchedule {
  readonly name: string
  readonly version: number
  readonly spec: string
  readonly next_at: number | null
  readonly last_at: number | null
}

function columnsOf({ name, spec, nextAt, lastAt }: Omit<ScheduleRow, 'version'>): (string | number | null)[] {
  return [encodeName(name), encodeName(spec), nextAt ?? null, lastAt ?? null]
}

function scheduleOf({ name, version, spec, next_at, last_at }: StoredSchedule): ScheduleRow {
  return {
    name: decodeName(name),
    version,
    spec: decodeName(spec),
    nextAt: next_at ?? undefined,
    lastAt: last_at ?? undefined,
  }
}
