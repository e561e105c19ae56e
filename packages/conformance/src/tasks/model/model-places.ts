import { byAdding, byRank, queueOf, type ModelTask, type TaskModel } from './model-task.ts'

/** A task is due: without a key it is ready, else it waits for a place of its key, unless it has kept its own. */
export function arrive(model: TaskModel, task: ModelTask): void {
  task.delayedBy = undefined
  if (task.task.key === undefined) task.state = task.crashes > 0 ? 'suspect' : 'ready'
  else if (task.place) takeToken(model, task)
  else task.state = 'waiting'
}

/** A task waits, for its delay or anew for its place. */
export function putOff(model: TaskModel, task: ModelTask, delayMs: number, by: 'delay' | 'retry'): void {
  if (!queueOf(model, task).settings.key.order) task.place = false
  task.worker = undefined
  if (delayMs > 0) [task.state, task.delayedBy] = ['delayed', by]
  else arrive(model, task)
}

/** Gives the places of keys that are free: the end of each operation. */
export function givePlaces(model: TaskModel): void {
  for (;;) {
    const next = model.tasks.filter(({ state }) => state === 'waiting').find((task) => mayHavePlace(model, task))
    if (next === undefined) return
    next.place = true
    takeToken(model, next)
  }
}

/** Whether it is the first of its key that waits, and a place is free. */
function mayHavePlace(model: TaskModel, task: ModelTask): boolean {
  const { order, concurrency = Infinity, rate } = queueOf(model, task).settings.key
  const others = ofKey(model, task)
  const [first] = others.filter(({ state }) => state === 'waiting').toSorted(order ? byAdding : byRank)
  const ready = others.filter(({ state }) => state === 'ready').length
  return (
    first === task &&
    others.filter(({ place }) => place).length < (order ? 1 : concurrency) &&
    !others.some(({ delayedBy }) => delayedBy === 'rate') &&
    (rate === undefined || ready < rate.limit)
  )
}

function takeToken(model: TaskModel, task: ModelTask): void {
  const { settings, keyStarts } = queueOf(model, task)
  const { rate } = settings.key
  const ready = ofKey(model, task).filter((each) => each !== task && each.state === 'ready').length
  const tokens = rate === undefined ? Infinity : rate.limit - (keyStarts.get(task.task.key ?? '') ?? 0)
  if (task.crashes > 0) task.state = 'suspect'
  else if (tokens < ready + 1) [task.state, task.delayedBy] = ['delayed', 'rate']
  else task.state = 'ready'
}

function ofKey(model: TaskModel, { task }: ModelTask): ModelTask[] {
  return model.tasks.filter((each) => each.task.queue === task.queue && each.task.key === task.key)
}
