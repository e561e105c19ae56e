import type { ChildOutcome, TaskError } from '../../driver/task.ts'
import { freeDedupe } from './dedupe.ts'
import { arrive, delay, detach, leavePlace, setState } from './places.ts'
import { hasEnded, type Kept, type Queue, type Task, type TaskTable } from './task-table.ts'

/** What an ended task and its row take beside its body and output. */
const TASK_OVERHEAD = 400

/** Ends a task, and does to its parent and its children what follows from it. */
export function endTask(
  table: TaskTable,
  task: Task,
  {
    as,
    at,
    error,
  }: { readonly as: ChildOutcome['state']; readonly at: number; readonly error?: TaskError | undefined },
): void {
  const wasBlocked = task.state === 'blocked'
  detach(table, task)
  leavePlace(table, task)
  if (task.key !== undefined) task.key.tasks -= 1
  setState(table, task, as)
  if (error !== undefined) task.error = error
  task.endedAt = at
  task.cancelling = false
  freeDedupe(task, 'end')
  table.ended.add(task)
  if (parentOf(table, task) === undefined) keep(task)
  releaseChildren(table, task, wasBlocked, at)
  const parent = task.parent === undefined ? undefined : table.tasks.get(task.parent)
  if (parent !== undefined) tellParent(table, parent, task, at)
}

/** Lets a blocked task go on whose children have ended. */
export function unblock(table: TaskTable, task: Task, at: number): void {
  if (task.state !== 'blocked' || task.pendingChildren > 0) return
  detach(table, task)
  if (task.dueAt > at) delay(table, task, 'delay')
  else arrive(table, task, at)
}

/** The parent of a task, while it has not ended. */
export function parentOf(table: TaskTable, { parent }: Task): Task | undefined {
  const found = parent === undefined ? undefined : table.tasks.get(parent)
  return found === undefined || hasEnded(found) ? undefined : found
}

/** Bytes that the engine counts for a task. */
export function taskWeight({ body, output }: { readonly body: string; readonly output?: string | undefined }): number {
  return body.length + (output?.length ?? 0) + TASK_OVERHEAD
}

/** Takes an ended task out of everything. */
export function removeTask(table: TaskTable, task: Task): void {
  unkeep(task)
  table.ended.delete(task)
  table.tasks.delete(task.id)
  table.children.delete(task.id)
  task.queue.counts[task.state] -= 1
  table.bytes -= taskWeight(task)
}

/** The children of a task that is added again are kept until it has ended anew. */
export function keepChildren(table: TaskTable, { id }: Task): void {
  for (const child of table.children.get(id) ?? []) {
    const ended = table.tasks.get(child)
    if (ended !== undefined && hasEnded(ended)) unkeep(ended)
  }
}

/** Takes an ended task out of what retention looks at. */
export function unkeep(task: Task): void {
  const kept = keptOf(task.queue, task)
  if (kept.tasks.delete(task)) kept.bytes -= taskWeight(task)
}

export function isKept(task: Task): boolean {
  return keptOf(task.queue, task).tasks.has(task)
}

function keep(task: Task): void {
  const kept = keptOf(task.queue, task)
  if (kept.tasks.has(task)) return
  kept.tasks.add(task)
  kept.bytes += taskWeight(task)
}

function keptOf(queue: Queue, { state }: Task): Kept {
  return state === 'dead' ? queue.keptDead : queue.kept
}

/** The children of a task that has ended fall to retention; if it never started, what is left of them is cancelled. */
function releaseChildren(table: TaskTable, task: Task, wasBlocked: boolean, at: number): void {
  for (const id of table.children.get(task.id) ?? []) {
    const child = table.tasks.get(id)
    if (child === undefined) continue
    if (hasEnded(child)) keep(child)
    else if (wasBlocked) cancelTask(table, child, at)
  }
}

/** Cancels what does not run, and asks what does. */
export function cancelTask(table: TaskTable, task: Task, at: number): void {
  if (task.state === 'running') {
    task.cancelling = true
    table.changed.add(task.queue.name)
  } else endTask(table, task, { as: 'cancelled', at })
}

function tellParent(table: TaskTable, parent: Task, child: Task, at: number): void {
  parent.pendingChildren -= 1
  if (parent.state !== 'blocked') return
  if (parent.failFast && child.state !== 'done') {
    const error: TaskError = {
      code: 'task_child_failed',
      message: `The child ${child.id} (${child.name}) ended as ${child.state}.`,
      stack: undefined,
      fingerprint: 'task_child_failed',
    }
    endTask(table, parent, { as: 'dead', at, error })
  } else unblock(table, parent, at)
}
