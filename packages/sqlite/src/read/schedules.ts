import type { ScheduleRow } from '@millrace/core/driver'
import type { ReaderState } from './reader-state.ts'

interface Row {
  readonly name: string
  readonly version: number
  readonly spec: string
  readonly next_at: number | null
  readonly last_at: number | null
}

const SELECT = 'SELECT name, version, spec, next_at, last_at FROM schedules'

/** One schedule. */
export function getSchedule({ sql }: ReaderState, { name }: { readonly name: string }): ScheduleRow | undefined {
  const row = sql.get<Row>(`${SELECT} WHERE name = ?`, name)
  return row === undefined ? undefined : scheduleOf(row)
}

/** Schedules by name. */
export function listSchedules(
  { sql }: ReaderState,
  { after = '', limit }: { readonly after?: string; readonly limit: number },
): readonly ScheduleRow[] {
  return sql.all<Row>(`${SELECT} WHERE name > ? ORDER BY name LIMIT ?`, after, limit).map(scheduleOf)
}

/** Those that are due, earliest first, and the first time after. */
export function dueSchedules(
  { sql }: ReaderState,
  { now, limit }: { readonly now: number; readonly limit: number },
): { readonly due: readonly ScheduleRow[]; readonly nextAt: number | undefined } {
  const due = sql.all<Row>(
    `${SELECT} WHERE next_at IS NOT NULL AND next_at <= ? ORDER BY next_at, name LIMIT ?`,
    now,
    limit,
  )
  const next = sql.get<{ at: number | null }>(
    'SELECT min(next_at) AS at FROM schedules WHERE next_at IS NOT NULL AND next_at > ?',
    now,
  )
  return { due: due.map(scheduleOf), nextAt: next?.at ?? undefined }
}

function scheduleOf({ name, version, spec, next_at: nextAt, last_at: lastAt }: Row): ScheduleRow {
  return { name, version, spec, nextAt: nextAt ?? undefined, lastAt: lastAt ?? undefined }
}
