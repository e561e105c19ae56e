import { MillraceError } from '../runtime/error.ts'

/** How far a task goes before others: by name, or as a whole number from -1,000 to 1,000. */
export type Priority = PriorityName | number

export type PriorityName = keyof typeof PRIORITIES

/** The names of priorities and the numbers that they stand for. */
export const PRIORITIES = { critical: 100, high: 50, normal: 0, low: -50 } as const

/** A task of priority 1 passes what came up to this many milliseconds before it. */
const HEAD_START_MS = 10_000
const MOST = 1_000

/**
 * The head start of a priority in milliseconds: a task is treated as if it had come so much earlier, so that what waits long
 * enough is passed by nothing. Throws `task_options_invalid`.
 */
export function headStartOf(priority: Priority, path = 'priority'): number {
  const number = typeof priority === 'string' ? numberOf(priority) : priority
  if (number !== undefined && Number.isInteger(number) && Math.abs(number) <= MOST) return number * HEAD_START_MS || 0
  throw new MillraceError(
    'task_options_invalid',
    `The priority is ${shownPriority(priority)}; it must be ${Object.keys(PRIORITIES).join(', ')}, or a whole number from -${MOST} to ${MOST}.`,
    { path },
  )
}

/** The priority with which a task of this head start was added: its name where it has one. */
export function priorityOf(headStartMs: number): Priority {
  const number = headStartMs / HEAD_START_MS
  const named = Object.entries(PRIORITIES).find(([, each]) => each === number)
  return named === undefined ? number : (named[0] as PriorityName)
}

function shownPriority(priority: unknown): string {
  if (typeof priority === 'string') return JSON.stringify(priority.slice(0, 40))
  return typeof priority === 'number' ? String(priority) : `of type ${priority === null ? 'null' : typeof priority}`
}

function numberOf(name: string): number | undefined {
  return Object.hasOwn(PRIORITIES, name) ? PRIORITIES[name as PriorityName] : undefined
}
