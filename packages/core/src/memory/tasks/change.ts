import type { TaskChange } from '../../driver/task-admin.ts'
import { cancelTask, isKept, keepChildren, removeTask, taskWeight, unkeep } from './ending.ts'
import { arrive, bindKey, detach, givePlaces, putOff, reposition, setState, watchExpiry } from './places.ts'
import { hasEnded, type Task, type TaskTable } from './task-table.ts'

/** Changes tasks; returns those that were changed. */
export function changeTasks(table: TaskTable, ids: readonly string[], change: TaskChange, at: number): string[] {
  const changed = ids.filter((id) => {
    const task = table.tasks.get(id)
    if (task === undefined) return false
    if (change.action === 'discard') {
      if (!hasEnded(task) || !isKept(task)) return false
      removeTask(table, task)
      return true
    }
    return changeOne(table, task, change, at)
  })
  givePlaces(table, at)
  return changed
}

function changeOne(
  table: TaskTable,
  task: Task,
  change: Exclude<TaskChange, { readonly action: 'discard' }>,
  at: number,
): boolean {
  const { state } = task
  switch (change.action) {
    case 'cancel':
      if (hasEnded(task)) return false
      cancelTask(table, task, at)
      return true
    case 'prioritise':
      if (hasEnded(task) || state === 'running') return false
      reposition(table, task, () => (task.headStartMs = change.headStartMs))
      return true
    case 'postpone':
      if (state !== 'waiting' && state !== 'ready' && !isPutOff(task)) return false
      postpone(table, task, change.delayMs, at)
      return true
    case 'run':
      if (isPutOff(task)) runNow(table, task, at)
      else if (state === 'dead' || state === 'cancelled' || state === 'expired') addAgain(table, task, change.body, at)
      else return false
      return true
  }
}

/** Whether a task is delayed for another reason than the rate of its key. */
function isPutOff({ state, delayedBy }: Task): boolean {
  return state === 'delayed' && delayedBy !== 'rate'
}

function postpone(table: TaskTable, task: Task, delayMs: number, at: number): void {
  reposition(table, task, () => (task.time = at + Math.max(0, delayMs)))
  putOff(table, task, { delayMs, by: 'delay', at })
}

function runNow(table: TaskTable, task: Task, at: number): void {
  detach(table, task)
  task.dueAt = at
  task.time = Math.min(task.time, at)
  arrive(table, task, at)
}

/** A task that has ended begins anew, at the end of the order of adding. */
function addAgain(table: TaskTable, task: Task, body: string | undefined, at: number): void {
  unkeep(task)
  table.ended.delete(task)
  table.tasks.delete(task.id)
  table.tasks.set(task.id, task)
  table.lastNumber += 1
  table.bytes -= taskWeight(task)
  keepChildren(table, task)
  const parent = task.parent === undefined ? undefined : table.tasks.get(task.parent)
  if (parent !== undefined) parent.pendingChildren += 1
  Object.assign(task, {
    body: body ?? task.body,
    number: table.lastNumber,
    time: at,
    attempts: 0,
    crashes: 0,
    addedAt: at,
    dueAt: at,
    startedAt: undefined,
    endedAt: undefined,
    expiresAt: undefined,
    error: undefined,
    output: undefined,
    progress: undefined,
  } satisfies Partial<Task>)
  table.bytes += taskWeight(task)
  bindKey(task, at)
  if (task.pendingChildren > 0) {
    setState(table, task, 'blocked')
    watchExpiry(table, task)
  } else arrive(table, task, at)
}
