import type { AddOptions } from './task-operations.ts'
import type { AnyTaskDefinition, TaskInput } from './task-definition.ts'

/**
 * When a schedule fires. `cron`: five or six fields (seconds first), in a time zone (default UTC). `every`: milliseconds, at least 1,000, counted from
 * `from` (default: when it was stored). `at`: once.
 */
export type ScheduleRule =
  | { readonly cron: string; readonly timeZone?: string }
  | { readonly every: number; readonly from?: Date }
  | { readonly at: Date }

export interface ScheduleOptions<Task extends AnyTaskDefinition | string = AnyTaskDefinition | string> {
  /** A definition, or the name of one that other processes know. */
  readonly task: Task
  /** Of each task that it adds: what the definition takes. */
  readonly input?: ScheduledInput<Task>
  /** Of each task that it adds. */
  readonly options?: Pick<AddOptions, 'queue' | 'priority' | 'key' | 'tenant' | 'expiresAfter'>
  /**
   * What happens to firings that nobody was there for: `once` (default) adds one task for all of them, `skip` none, `all` one for each of the last
   * 500. A firing counts as missed when it is later than a minute.
   */
  readonly missed?: 'skip' | 'once' | 'all'
  /** It does not fire before or after. */
  readonly starts?: Date
  readonly ends?: Date
  /** How often it fires in all. */
  readonly limit?: number
  /** While a task of this schedule has not ended, no other is added. Default false. */
  readonly noOverlap?: boolean
}

/** What a scheduled task takes: of a definition its input, of a name anything. */
export type ScheduledInput<Task> = Task extends AnyTaskDefinition ? TaskInput<Task> : unknown

/** A schedule as tools see it. Times are RFC 3339. */
export interface ScheduleView {
  readonly name: string
  readonly rule: ScheduleRule
  readonly task: string
  readonly queue: string
  readonly input: unknown
  /** Of each task that it adds. */
  readonly options: NonNullable<ScheduleOptions['options']>
  readonly missed: 'skip' | 'once' | 'all'
  readonly starts: string | undefined
  readonly ends: string | undefined
  /** How often it fires in all. */
  readonly limit: number | undefined
  readonly noOverlap: boolean
  readonly paused: boolean
  /** Undefined when it is paused or has ended. */
  readonly nextAt: string | undefined
  readonly lastAt: string | undefined
  /** Tasks that it has added. */
  readonly fired: number
  /** Why it could not add a task the last time. */
  readonly error: string | undefined
}

/** Storing schedules and changing them. Every call opens the engine first. */
export interface ScheduleOperations {
  /**
   * Stores a schedule, or changes one of that name; the same again changes nothing. Throws `schedule_invalid` (also for a cron that never
   * fires), `task_input_invalid`, `event_name_invalid`.
   */
  put<const Task extends AnyTaskDefinition | string>(
    name: string,
    rule: ScheduleRule,
    options: ScheduleOptions<Task> &
      (undefined extends ScheduledInput<Task> ? unknown : { readonly input: ScheduledInput<Task> }),
  ): Promise<ScheduleView>
  /** By name; pages by `after`. */
  list(query?: { readonly after?: string; readonly limit?: number }): Promise<readonly ScheduleView[]>
  /** Throws `schedule_unknown`. */
  get(name: string): Promise<ScheduleView>
  pause(name: string): Promise<ScheduleView>
  resume(name: string): Promise<ScheduleView>
  /** Adds its task now, beside its firings; gives the id of the task. */
  runNow(name: string): Promise<{ readonly id: string }>
  /** The next firing is left out. */
  skipNext(name: string): Promise<ScheduleView>
  /** Throws `schedule_unknown`. */
  remove(name: string): Promise<void>
  /** The next instants (RFC 3339), at most 100; fewer when it ends. */
  next(name: string, count?: number): Promise<readonly string[]>
}
