import type { ChildOutcome, TaskError } from '@millrace/core/driver'
import { arrive } from './model-places.ts'
import { find, hasEnded, queueOf, type ModelTask, type TaskModel } from './model-task.ts'

/** Ends a task, with what follows for its parent and its children. */
export function end(model: TaskModel, task: ModelTask, state: ChildOutcome['state'], error?: TaskError): void {
  const wasBlocked = task.state === 'blocked'
  Object.assign(task, { state, place: false, worker: undefined, delayedBy: undefined, cancelling: false })
  if (error !== undefined) task.error = error
  freeDedupe(model, task, ['start', 'end'])
  if (wasBlocked) for (const child of model.tasks) if (child.task.parent === task.task.id) cancel(model, child)
  const parent = find(model, task.task.parent)
  if (parent === undefined) return
  parent.pendingChildren -= 1
  if (parent.state !== 'blocked') return
  if (parent.task.failFast && state !== 'done') {
    end(model, parent, 'dead', { code: 'task_child_failed', message: '', stack: undefined, fingerprint: '' })
  } else if (parent.pendingChildren === 0) arrive(model, parent)
}

/** Cancels what does not run, and asks what does. */
export function cancel(model: TaskModel, task: ModelTask): void {
  if (task.state === 'running') task.cancelling = true
  else if (!hasEnded(task)) end(model, task, 'cancelled')
}

/** Frees the dedupe key that a task holds until then. */
export function freeDedupe(model: TaskModel, task: ModelTask, until: readonly string[]): void {
  const { dedupe } = queueOf(model, task)
  for (const [key, held] of dedupe) if (held.holder === task && until.includes(held.until)) dedupe.delete(key)
}
