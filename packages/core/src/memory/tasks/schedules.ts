import type { ScheduleRow } from '../../driver/schedule-store.ts'
import { createIndexedHeap, type IndexedHeap } from './indexed-heap.ts'

interface Scheduled {
  row: ScheduleRow
  index: number
}

/** The schedules of an engine. */
export interface ScheduleTable {
  readonly byName: Map<string, Scheduled>
  readonly byTime: IndexedHeap<Scheduled>
}

export function createScheduleTable(): ScheduleTable {
  return {
    byName: new Map(),
    byTime: createIndexedHeap<Scheduled>({
      isBefore: (one, other) => (one.row.nextAt ?? 0) < (other.row.nextAt ?? 0),
      indexOf: ({ index }) => index,
      setIndex: (scheduled, at) => void (scheduled.index = at),
    }),
  }
}

/** Stores a schedule if `expectedVersion` is the stored one. */
export function putSchedule(
  table: ScheduleTable,
  { name, spec, nextAt, lastAt }: Omit<ScheduleRow, 'version'>,
  expectedVersion: number,
): ScheduleRow | undefined {
  const known = table.byName.get(name)
  if ((known?.row.version ?? 0) !== expectedVersion) return undefined
  if (known !== undefined && known.index >= 0) table.byTime.remove(known)
  const scheduled: Scheduled = { row: { name, version: expectedVersion + 1, spec, nextAt, lastAt }, index: -1 }
  table.byName.set(name, scheduled)
  if (nextAt !== undefined) table.byTime.push(scheduled)
  return scheduled.row
}

export function listSchedules(
  { byName }: ScheduleTable,
  { after, limit }: { readonly after?: string; readonly limit: number },
): ScheduleRow[] {
  const names = [...byName.keys()].filter((name) => after === undefined || name > after).toSorted()
  return names.slice(0, limit).flatMap((name) => byName.get(name)?.row ?? [])
}

export function removeSchedule(table: ScheduleTable, name: string): boolean {
  const known = table.byName.get(name)
  if (known !== undefined && known.index >= 0) table.byTime.remove(known)
  return table.byName.delete(name)
}

/** The schedules that are due, and the first time after `now`. */
export function dueSchedules(
  { byTime }: ScheduleTable,
  now: number,
  limit: number,
): { readonly due: readonly ScheduleRow[]; readonly nextAt: number | undefined } {
  const due: (ScheduleRow & { readonly nextAt: number })[] = []
  let nextAt: number | undefined
  byTime.scan(({ row }) => {
    const { nextAt: at } = row
    if (at === undefined) return false
    if (at <= now) due.push({ ...row, nextAt: at })
    else nextAt = Math.min(nextAt ?? at, at)
    return at <= now
  })
  return { due: due.toSorted((one, other) => one.nextAt - other.nextAt).slice(0, limit), nextAt }
}
