import type { ScheduleRow } from '@millrace/core/driver'
import { enqueue } from './tasks/enqueue.ts'
import type { TaskBatch } from './tasks/task-batch.ts'
import type { Touched } from './tasks/task-cache.ts'
import type { WriterState } from './writer-state.ts'

/** Stores a schedule if nobody was faster. */
export function putSchedule(
  state: WriterState,
  { row, expectedVersion }: { readonly row: Omit<ScheduleRow, 'version'>; readonly expectedVersion: number },
): ScheduleRow | undefined {
  const { name, spec, nextAt, lastAt } = row
  if (versionOf(state, name) !== expectedVersion) return undefined
  const stored = { name, version: expectedVersion + 1, spec, nextAt, lastAt }
  store(state, stored)
  return stored
}

/** Removes a schedule; false when it was not there. */
export function removeSchedule({ sql }: WriterState, { name }: { readonly name: string }): boolean {
  return sql.run('DELETE FROM schedules WHERE name = ?', name) === 1
}

/** Stores the row that follows the stored one, and adds its tasks; undefined when somebody was faster. */
export function fireSchedule(
  state: WriterState,
  { row, tasks }: { readonly row: ScheduleRow; readonly tasks: TaskBatch },
): { readonly touched: Touched } | undefined {
  const version = versionOf(state, row.name)
  if (version === 0 || version !== row.version) return undefined
  store(state, { ...row, version: version + 1 })
  return { touched: enqueue(state, tasks, true).touched }
}

/** 0 for one that is not there. */
function versionOf({ sql }: WriterState, name: string): number {
  return sql.get<{ version: number }>('SELECT version FROM schedules WHERE name = ?', name)?.version ?? 0
}

function store({ sql }: WriterState, { name, version, spec, nextAt, lastAt }: ScheduleRow): void {
  sql.run(
    `INSERT INTO schedules (name, version, spec, next_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT DO UPDATE SET version = ?2, spec = ?3, next_at = ?4, last_at = ?5`,
    name,
    version,
    spec,
    nextAt === undefined ? null : Math.floor(nextAt),
    lastAt === undefined ? null : Math.floor(lastAt),
  )
}
