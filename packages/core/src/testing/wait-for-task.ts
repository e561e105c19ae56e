import type { Millrace } from '../backbone/millrace.ts'
import type { TaskState } from '../driver/task.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { TaskView } from '../tasks/task-view.ts'
import { waitFor } from './wait-for.ts'

/** The task when it has come to one of these states, in real time. Rejects after `timeoutMs` (default 10,000). */
export function waitForTask(
  millrace: Millrace,
  id: string,
  states: TaskState | readonly TaskState[],
  options: { readonly timeoutMs?: number } = {},
): Promise<TaskView> {
  const wanted: readonly TaskState[] = typeof states === 'string' ? [states] : states
  return waitFor(() => lookAt(millrace, id, wanted), {
    ...options,
    what: `the task ${id} to be ${wanted.join(' or ')}`,
  })
}

async function lookAt(millrace: Millrace, id: string, wanted: readonly TaskState[]): Promise<TaskView | undefined> {
  try {
    const view = await millrace.tasks.get(id)
    return wanted.includes(view.state) ? view : undefined
  } catch (error) {
    if (isMillraceError(error, 'task_unknown')) return undefined
    throw error
  }
}
