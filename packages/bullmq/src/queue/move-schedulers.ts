import { isMillraceError, type Millrace, type ScheduleRule } from '@millrace/core'
import { scheduleOf, type ScheduleOfScheduler } from '../jobs/schedule-of-scheduler.ts'
import type { MappingRules } from '../jobs/task-of-job.ts'
import type { MovedSchedule } from '../report.ts'
import type { Tally } from '../tally.ts'
import type { FoundScheduler, Schedulers } from './schedulers.ts'

/** What moving schedulers takes. */
export interface MovingSchedulers {
  readonly schedulers: Schedulers
  readonly schedules: Millrace['schedules']
  readonly rules: MappingRules
  readonly timeZone: string
  readonly tally: Tally
}

/** Says what would become of the schedulers; gives the ids of those that would go, for their pending runs go with them. */
export async function surveySchedulers({
  schedulers,
  rules,
  timeZone,
  tally,
}: Omit<MovingSchedulers, 'schedules'>): Promise<ReadonlySet<string>> {
  const leaving = new Set<string>()
  for (const { scheduler } of await schedulers.list()) {
    const schedule = scheduleOf(scheduler, rules, timeZone)
    if (typeof schedule === 'string') tally.refused(scheduler.id, { reason: 'schedule', text: schedule })
    else {
      leaving.add(scheduler.id)
      tally.scheduled(viewOf(scheduler.id, schedule))
    }
  }
  return leaving
}

/**
 * Makes the schedulers schedules: first what an earlier run holds, then the others. A scheduler is taken out before its schedule is stored, so that
 * no run is made by both, and kept until it is.
 */
export async function moveSchedulers(moving: MovingSchedulers): Promise<void> {
  const { schedulers, rules, timeZone, tally } = moving
  for (const found of await schedulers.held()) await store(moving, found)
  for (const found of await schedulers.list()) {
    const schedule = scheduleOf(found.scheduler, rules, timeZone)
    if (typeof schedule === 'string') tally.refused(found.scheduler.id, { reason: 'schedule', text: schedule })
    else if (await schedulers.take(found)) await store(moving, found)
  }
}

/** Gives back the schedulers that an earlier run holds and whose schedule was not stored. */
export async function returnSchedulers(
  schedulers: Schedulers,
  schedules: Millrace['schedules'],
  nameOf: (found: FoundScheduler) => string,
): Promise<number> {
  let returned = 0
  for (const found of await schedulers.held()) {
    const name = nameOf(found)
    if (await exists(schedules, name)) await schedulers.settle(found.scheduler.id)
    else {
      await schedulers.giveBack(found)
      returned += 1
    }
  }
  return returned
}

async function store(moving: MovingSchedulers, found: FoundScheduler): Promise<void> {
  const { schedulers, schedules, rules, timeZone, tally } = moving
  const { id } = found.scheduler
  const schedule = scheduleOf(found.scheduler, rules, timeZone)
  if (typeof schedule === 'string') return giveBack(moving, found, schedule)
  try {
    if (schedule !== undefined) await schedules.put(schedule.name, schedule.rule, schedule.options)
  } catch (error) {
    if (!isMillraceError(error) || !REFUSING.has(error.code)) throw error
    return giveBack(moving, found, `the scheduler ${JSON.stringify(id.slice(0, 80))}: ${error.message}`)
  }
  await schedulers.settle(id)
  tally.scheduled(viewOf(id, schedule))
}

/** What is wrong with the scheduler itself, and would be the next time too. */
const REFUSING: ReadonlySet<string> = new Set([
  'schedule_invalid',
  'task_input_invalid',
  'task_options_invalid',
  'event_name_invalid',
  'event_not_json',
  'event_forbidden_key',
  'limit_exceeded',
])

async function giveBack({ schedulers, tally }: MovingSchedulers, found: FoundScheduler, text: string): Promise<void> {
  await schedulers.giveBack(found)
  tally.refused(found.scheduler.id, { reason: 'schedule', text })
}

async function exists(schedules: Millrace['schedules'], name: string): Promise<boolean> {
  try {
    await schedules.get(name)
    return true
  } catch (error) {
    if (isMillraceError(error, 'schedule_unknown')) return false
    throw error
  }
}

function viewOf(scheduler: string, schedule: ScheduleOfScheduler | undefined): MovedSchedule {
  return {
    scheduler,
    schedule: schedule?.name,
    task: schedule?.options.task,
    rule: schedule === undefined ? undefined : ruleText(schedule.rule),
  }
}

function ruleText(rule: ScheduleRule): string {
  if ('cron' in rule) return `${rule.cron} (${rule.timeZone ?? 'UTC'})`
  return 'every' in rule ? `every ${rule.every} ms` : rule.at.toISOString()
}
