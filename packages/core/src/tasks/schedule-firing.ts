import { lastInstants, nextInstant } from './schedule-rule.ts'
import { nextFiring, type ScheduleSpec } from './schedule-spec.ts'

/** What comes of a schedule that is due. */
export interface Firing {
  /** The instants that a task is added for, earliest first. */
  readonly instants: readonly number[]
  readonly nextAt: number | undefined
}

/** A firing that is later than this was missed. */
const LATE_MS = 60_000
/** Missed firings that are made up for at most. */
const MOST_MADE_UP = 500

/**
 * Decides what a schedule does that was due at `dueAt`, seen at `now`. What was missed is made up for by its rule: `skip` leaves it, `once` adds one task
 * for all that is due, `all` one for each of the last 500. Pure.
 */
export function planFiring(spec: ScheduleSpec, dueAt: number, now: number): Firing {
  const left = spec.limit === undefined ? MOST_MADE_UP : Math.min(MOST_MADE_UP, spec.limit - spec.fired)
  const until = spec.ends === undefined ? now : Math.min(now, spec.ends)
  const due = left <= 0 || dueAt > until ? [] : dueInstants(spec, dueAt, until, left)
  const instants = chosen(due, spec.missed, now)
  return { instants, nextAt: nextFiring({ ...spec, fired: spec.fired + instants.length }, now) }
}

/** From the one that is due to the last before `until`; of too many the last. */
function dueInstants({ rule }: ScheduleSpec, dueAt: number, until: number, limit: number): readonly number[] {
  const instants: number[] = []
  for (let at: number | undefined = dueAt; at !== undefined && at <= until; at = nextInstant(rule, at)) {
    if (instants.length === limit) return lastInstants(rule, { since: dueAt, until, limit })
    instants.push(at)
  }
  return instants
}

function chosen(due: readonly number[], missed: ScheduleSpec['missed'], now: number): readonly number[] {
  const inTime = due.filter((instant) => now - instant <= LATE_MS)
  if (missed === 'all' || inTime.length === due.length) return due
  return missed === 'skip' ? inTime : due.slice(-1)
}
