import type { ScheduleRow } from '../driver/schedule-store.ts'
import type { ScheduleOptions, ScheduleRule, ScheduleView } from './schedule-operations.ts'
import { LAST_INSTANT, nextInstant, type StoredRule } from './schedule-rule.ts'

/** What the core keeps of a schedule as text. Instants are milliseconds since the epoch. */
export interface ScheduleSpec {
  readonly rule: StoredRule
  readonly task: string
  readonly queue: string
  readonly input?: unknown
  readonly options: NonNullable<ScheduleOptions['options']>
  readonly missed: 'skip' | 'once' | 'all'
  readonly starts?: number
  readonly ends?: number
  readonly limit?: number
  readonly noOverlap: boolean
  readonly paused: boolean
  /** Tasks added so far. */
  readonly fired: number
  readonly error?: string
  /** The instant since which firings wait for room in their queue. */
  readonly heldSince?: number
}

export function encodeSpec(spec: ScheduleSpec): string {
  return JSON.stringify(spec)
}

/** Undefined for a text that is none of ours. */
export function decodeSpec(text: string): ScheduleSpec | undefined {
  try {
    const spec: unknown = JSON.parse(text)
    if (typeof spec === 'object' && spec !== null && 'rule' in spec && 'task' in spec) return spec as ScheduleSpec
  } catch {
    // Not JSON.
  }
  return undefined
}

/** When it fires next after `after`, within its bounds; undefined when it does not any more. Pure. */
export function nextFiring(spec: ScheduleSpec, after: number): number | undefined {
  if (spec.paused || (spec.limit !== undefined && spec.fired >= spec.limit)) return undefined
  const next = nextInstant(spec.rule, Math.max(after, spec.starts === undefined ? after : spec.starts - 1))
  return next === undefined || next > Math.min(spec.ends ?? LAST_INSTANT, LAST_INSTANT) ? undefined : next
}

export function viewOfSchedule(row: ScheduleRow, spec: ScheduleSpec): ScheduleView {
  const { task, queue, input, options, missed, limit, noOverlap, paused, fired, error } = spec
  return {
    name: row.name,
    rule: shownRule(spec.rule),
    task,
    queue,
    input,
    options,
    missed,
    starts: timeOf(spec.starts),
    ends: timeOf(spec.ends),
    limit,
    noOverlap,
    paused,
    nextAt: timeOf(spec.heldSince ?? row.nextAt),
    lastAt: timeOf(row.lastAt),
    fired,
    error,
  }
}

function shownRule(rule: StoredRule): ScheduleRule {
  if ('cron' in rule) return rule
  return 'at' in rule ? { at: new Date(rule.at) } : { every: rule.every, from: new Date(rule.from) }
}

function timeOf(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString()
}
