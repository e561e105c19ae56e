import { TASK_STATES, type TaskState } from '@millrace/core/driver'

/** The states of tasks as rows carry them: their places in `TASK_STATES`. */
export const BLOCKED = 0
export const DELAYED = 1
export const WAITING = 2
export const READY = 3
export const SUSPECT = 4
export const RUNNING = 5
export const DONE = 6
export const DEAD = 7
export const CANCELLED = 8
export const EXPIRED = 9

/** Why a task is delayed, as rows carry it. */
export const BY_DELAY = 0
export const BY_RETRY = 1
export const BY_RATE = 2

/** The number of a state. */
export function stateNumber(state: TaskState): number {
  return TASK_STATES.indexOf(state)
}

/** The state of a number. */
export function stateName(state: number): TaskState {
  return TASK_STATES[state] ?? 'dead'
}

/** Whether a task of this state has ended. */
export function hasEnded(state: number): boolean {
  return state >= DONE
}
