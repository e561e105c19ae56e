import type { NewTask } from './task.ts'

/**
 * Schedules: when tasks are to be added by themselves. The core computes the instants (time zones, rules); a store keeps them and
 * lets each be fired once, whatever the number of processes. The instants here are of the wall clock, as schedules are: the
 * clocks of the processes that fire them should agree to the precision that is wanted of the firing.
 */
export interface ScheduleStore {
  /** Stores a schedule if `expectedVersion` is the stored one (0: it is not there); undefined when somebody was faster. */
  put(schedule: Omit<ScheduleRow, 'version'>, expectedVersion: number): Promise<ScheduleRow | undefined>

  get(name: string): Promise<ScheduleRow | undefined>

  /** By name; pages by the last one seen. */
  list(query: { readonly after?: string; readonly limit: number }): Promise<readonly ScheduleRow[]>

  /** False when it was not there. */
  remove(name: string): Promise<boolean>

  /** Those whose `nextAt` is at or before `now`, earliest first, and the first `nextAt` after it. */
  due(
    now: number,
    limit: number,
  ): Promise<{ readonly due: readonly ScheduleRow[]; readonly nextAt: number | undefined }>

  /**
   * In one step: stores the new row if `version` of it is still the stored one, and adds the tasks (as `TaskStore.enqueue`, also to a full queue).
   * False when somebody was faster: nothing is changed then. The stored version is one more.
   */
  fire(firing: { readonly row: ScheduleRow; readonly tasks: readonly NewTask[] }): Promise<boolean>
}

export interface ScheduleRow {
  readonly name: string
  /** Counts the changes, from 1. */
  readonly version: number
  /** Opaque to the store: rule, time zone, task, input and options as JSON. */
  readonly spec: string
  /** Milliseconds since the epoch; undefined when it does not fire any more (ended, or paused). */
  readonly nextAt: number | undefined
  /** The instant for which it fired last. */
  readonly lastAt: number | undefined
}
