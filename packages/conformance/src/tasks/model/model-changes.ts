import type { TaskChange } from '@millrace/core/driver'
import { cancel } from './model-ends.ts'
import { arrive, putOff } from './model-places.ts'
import { byRank, find, hasEnded, type ModelTask, type TaskModel } from './model-task.ts'

export function change(model: TaskModel, ids: readonly string[], wanted: TaskChange): string[] {
  return ids.filter((id) => {
    const task = find(model, id)
    return task !== undefined && changeOne(model, task, wanted)
  })
}

export function ahead(model: TaskModel, id: string, limit: number): number | undefined {
  const task = find(model, id)
  if (task?.state !== 'ready' && task?.state !== 'waiting') return undefined
  const others = model.tasks.filter(
    (each) => each.task.queue === task.task.queue && (each.state === 'ready' || each.state === 'waiting'),
  )
  return Math.min(limit, others.filter((each) => byRank(each, task) < 0).length)
}

function changeOne(model: TaskModel, task: ModelTask, wanted: TaskChange): boolean {
  const isPutOff = task.state === 'delayed' && task.delayedBy !== 'rate'
  switch (wanted.action) {
    case 'cancel':
      if (hasEnded(task)) return false
      cancel(model, task)
      return true
    case 'prioritise':
      if (hasEnded(task) || task.state === 'running') return false
      task.headStartMs = wanted.headStartMs
      return true
    case 'postpone':
      if (!isPutOff && task.state !== 'waiting' && task.state !== 'ready') return false
      putOff(model, task, wanted.delayMs, 'delay')
      return true
    case 'discard': {
      const parent = find(model, task.task.parent)
      if (!hasEnded(task) || (parent !== undefined && !hasEnded(parent))) return false
      model.tasks.splice(model.tasks.indexOf(task), 1)
      return true
    }
    case 'run':
      if (isPutOff) arrive(model, task)
      else if (hasEnded(task) && task.state !== 'done') addAgain(model, task, wanted.body)
      else return false
      return true
  }
}

function addAgain(model: TaskModel, task: ModelTask, body: string | undefined): void {
  model.added += 1
  const forgotten = { attempts: 0, crashes: 0, error: undefined, output: undefined, progress: undefined }
  Object.assign(task, { ...forgotten, number: model.added, body: body ?? task.body })
  const parent = find(model, task.task.parent)
  if (parent !== undefined) parent.pendingChildren += 1
  if (task.pendingChildren > 0) task.state = 'blocked'
  else arrive(model, task)
}
