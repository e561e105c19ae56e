import { isSameJson } from '../contract/validate-data.ts'
import type { TaskStore } from '../driver/task-store.ts'
import type { NewTask } from '../driver/task.ts'
import { MillraceError } from '../runtime/error.ts'
import { decodeTaskBody, type TaskBody } from './task-body.ts'

/** What is stored under an id. */
export interface StoredWork {
  readonly name: string
  readonly body: string
}

/**
 * Whether a new task is the one that is stored under its id, sent again: name and input are the same, the input as JSON that is
 * stored. Options do not count, nor does an input that somebody has replaced or edited since.
 */
export function isSameTask(task: NewTask, there: StoredWork): boolean {
  if (there.name !== task.name) return false
  const stored = bodyOf(there.body)
  if (stored === undefined) return false
  if (stored.edited === true || (stored.origin ?? task.id) !== task.id) return true
  return isSameJson(stored.input, decodeTaskBody(task.body).input)
}

/** Refuses tasks of which an id is that of another task. Throws `task_conflict`. */
export async function refuseTaken(store: Pick<TaskStore, 'get'>, tasks: readonly NewTask[]): Promise<void> {
  if (tasks.length === 0) return
  const there = new Map((await store.get(tasks.map(({ id }) => id))).map((row) => [row.id, row]))
  for (const task of tasks) {
    const row = there.get(task.id)
    if (row !== undefined && !isSameTask(task, row)) throw taskConflict(task, row)
  }
}

/** The error of an id that another task has. */
export function taskConflict(task: NewTask, there: StoredWork): MillraceError {
  const by = there.name === task.name ? 'a task with another input' : `a task "${there.name}"`
  return new MillraceError(
    'task_conflict',
    `The id "${task.id}" is taken by ${by}, so that the task "${task.name}" is not added. Give it an id of its own; send the same id again only with the same input.`,
    { path: 'id', facts: { id: task.id, task: task.name, takenBy: there.name } },
  )
}

function bodyOf(text: string): TaskBody | undefined {
  try {
    return decodeTaskBody(text)
  } catch {
    return undefined
  }
}
