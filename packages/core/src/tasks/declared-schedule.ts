import { MillraceError } from '../runtime/error.ts'
import type { ScheduleOptions, ScheduleRule } from './schedule-operations.ts'
import { LAST_INSTANT, type StoredRule } from './schedule-rule.ts'
import type { ScheduleSpec } from './schedule-spec.ts'
import type { AnyTaskDefinition } from './task-definition.ts'
import { wrongNumber } from './whole-number.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'

/** A schedule as somebody declares it, with what there is of it already. */
export interface DeclaredSchedule {
  readonly rule: ScheduleRule
  readonly given: ScheduleOptions
  readonly before: ScheduleSpec | undefined
  /** Its definition, if this process knows it. */
  readonly known: AnyTaskDefinition | undefined
  readonly now: number
}

const OPTIONS: ReadonlySet<string> = new Set([
  ...['task', 'input', 'options', 'missed', 'starts', 'ends', 'limit', 'noOverlap'],
])
const TASK_OPTIONS: ReadonlySet<string> = new Set(['queue', 'priority', 'key', 'tenant', 'expiresAfter'])

/** Throws `schedule_invalid` for options that are none. */
export function checkScheduleOptions(given: unknown): void {
  checkNames('options', given, OPTIONS)
}

function checkNames(path: string, value: unknown, known: ReadonlySet<string>): void {
  const wrong = wrongOptions(value, known)
  if (wrong !== undefined) throw invalidSchedule(wrong.name ?? path, wrong.what)
}

/** The name of the task that a schedule adds. */
export function nameOf({ task }: Pick<ScheduleOptions, 'task'>): string {
  return typeof task === 'string' ? task : task.name
}

/** What is stored of it: what has become of it before goes on. Throws `schedule_invalid` with the option as path. */
export function declaredSpec({ rule, given, before, known, now }: DeclaredSchedule): ScheduleSpec {
  const task = nameOf(given)
  if (given.options !== undefined) checkNames('options', given.options, TASK_OPTIONS)
  if (given.noOverlap !== undefined && typeof given.noOverlap !== 'boolean')
    throw invalidSchedule('noOverlap', 'must be true or false')
  const own = known?.queue.name
  if (own !== undefined && given.options?.queue !== undefined && given.options.queue !== own)
    throw invalidSchedule(
      'options.queue',
      `is "${String(given.options.queue).slice(0, 40)}", but the definition of the task has "${own}"`,
    )
  const missed = given.missed ?? 'once'
  if (!['skip', 'once', 'all'].includes(missed)) throw invalidSchedule('missed', 'must be "skip", "once" or "all"')
  const wrong = wrongNumber(given.limit, { least: 1, most: Number.MAX_SAFE_INTEGER })
  if (wrong !== undefined) throw invalidSchedule('limit', wrong)
  return {
    rule: storedRule(rule, before?.rule, now),
    task,
    queue: given.options?.queue ?? known?.queue.name ?? task,
    ...(given.input === undefined ? {} : { input: given.input }),
    options: given.options ?? {},
    missed,
    ...(given.starts === undefined ? {} : { starts: timeOf('starts', given.starts) }),
    ...(given.ends === undefined ? {} : { ends: timeOf('ends', given.ends) }),
    ...(given.limit === undefined ? {} : { limit: given.limit }),
    noOverlap: given.noOverlap ?? false,
    paused: before?.paused ?? false,
    fired: before?.fired ?? 0,
  }
}

/** The members of each kind of rule. */
const KINDS = { cron: ['cron', 'timeZone'], every: ['every', 'from'], at: ['at'] } as const

/** A member that is left undefined is not there. */
function checkMembers(rule: unknown): void {
  const members = typeof rule !== 'object' || rule === null ? [] : Object.entries(rule)
  const given = members.filter(([, value]) => value !== undefined).map(([name]) => name)
  const kinds = (['cron', 'every', 'at'] as const).filter((kind) => given.includes(kind))
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1)
    throw invalidSchedule(
      'rule',
      `must be one of { cron }, { every } and { at }${kind === undefined ? '' : `, and has ${kinds.join(' and ')}`}`,
    )
  const allowed: readonly string[] = KINDS[kind]
  const strange = given.find((name) => !allowed.includes(name))
  if (strange !== undefined)
    throw invalidSchedule(
      'rule',
      `has "${strange.slice(0, 40)}" beside "${kind}", which takes ${allowed.join(' and ')} only`,
    )
}

/** The stretches of an unchanged `every` go on where they were. */
function storedRule(rule: ScheduleRule, before: StoredRule | undefined, now: number): StoredRule {
  checkMembers(rule)
  const { cron, timeZone = 'UTC', at, every, from } = rule as AnyRule
  if (cron !== undefined) {
    if (typeof cron !== 'string') throw invalidSchedule('cron', 'must be a text of five or six fields')
    if (typeof timeZone !== 'string') throw invalidSchedule('timeZone', 'must be the name of a time zone')
    return { cron: cron.trim(), timeZone }
  }
  if (at !== undefined) return { at: timeOf('at', at) }
  const wrong = wrongNumber(every, { least: 1_000, most: 315_576_000_000 })
  if (every === undefined || wrong !== undefined) throw invalidSchedule('every', wrong ?? 'is missing')
  if (from !== undefined) return { every, from: timeOf('from', from) }
  const isSame = before !== undefined && 'every' in before && before.every === every
  return { every, from: isSame ? before.from : now }
}

/** A rule that is of one kind, as `checkMembers` has found. */
interface AnyRule {
  readonly cron?: string
  readonly timeZone?: string
  readonly at?: Date
  readonly every?: number
  readonly from?: Date
}

/** What the caller said; what has become of it since does not count. */
export function isSameSpec(one: ScheduleSpec, other: ScheduleSpec): boolean {
  const said = ({ paused: _paused, fired: _fired, error: _error, heldSince: _held, ...rest }: ScheduleSpec): string =>
    JSON.stringify(Object.entries(rest).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return said(one) === said(other)
}

function timeOf(path: string, value: unknown): number {
  if (!(value instanceof Date) || Number.isNaN(value.getTime()))
    throw invalidSchedule(path, 'must be a Date that exists')
  if (value.getTime() > LAST_INSTANT) throw invalidSchedule(path, 'must be before the year 10000')
  return value.getTime()
}

/** The error of an option that cannot be meant. */
export function invalidSchedule(path: string, what: string): MillraceError {
  return new MillraceError('schedule_invalid', `The option "${path}" of the schedule ${what}.`, { path })
}
