import type { ScheduleStore } from '../driver/schedule-store.ts'
import { decodeSpec, encodeSpec, nextFiring } from './schedule-spec.ts'

const PAGE = 1_000
/** Clocks that differ by less are the same. */
export const CLOCK_SLACK_MS = 60_000

/**
 * Brings back schedules that have fired for an instant that is still to come: a clock that was ahead has been put right, and they would rest until
 * it is that late again.
 */
export async function repairSchedules(store: ScheduleStore, now: number): Promise<void> {
  for (let after: string | undefined; ;) {
    const rows = await store.list({ limit: PAGE, ...(after === undefined ? {} : { after }) })
    for (const row of rows) {
      after = row.name
      const { lastAt, nextAt } = row
      const spec = lastAt === undefined || lastAt <= now + CLOCK_SLACK_MS ? undefined : decodeSpec(row.spec)
      if (spec === undefined || nextAt === undefined) continue
      const { heldSince: _held, ...rest } = spec
      const next = nextFiring(rest, now)
      // Whoever is late has seen another one do the same.
      if (next !== undefined && next < nextAt)
        await store.put({ ...row, spec: encodeSpec(rest), nextAt: next, lastAt: now }, row.version)
    }
    if (rows.length < PAGE) return
  }
}
