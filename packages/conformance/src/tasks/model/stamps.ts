import type { EnqueueOutcome, NewTask, TaskChange } from '@millrace/core/driver'
import { passing } from '../../passing-time.ts'
import type { TaskBench } from '../task-bench.ts'
import { find, type ModelTask, type TaskModel } from './model-task.ts'

/** Gives what an enqueue has added or debounced the time that the engine gave it. */
export async function stampAdded(
  bench: TaskBench,
  model: TaskModel,
  {
    operation,
    outcomes,
    before,
  }: {
    readonly operation: { readonly tasks: readonly NewTask[] }
    readonly outcomes: readonly EnqueueOutcome[]
    readonly before: ReadonlySet<string>
  },
): Promise<void> {
  const rows = new Map((await bench.tasks.get(outcomes.map(({ id }) => id))).map((row) => [row.id, row]))
  const timeOfCall = new Map<string, number>()
  const held: ModelTask[] = []
  for (const [at, { id, outcome }] of outcomes.entries()) {
    const wanted = operation.tasks[at]
    const task = find(model, id)
    const row = rows.get(id)
    if (wanted === undefined || task === undefined || row === undefined) continue
    if (outcome !== 'duplicate') {
      if (before.has(id)) continue
      timeOfCall.set(row.queue, row.addedAt)
      task.time = turnOf(model, task, row.addedAt)
    } else if (wanted.dedupe?.mode === 'debounce' && row.delayedBy === 'rate') held.push(task)
    else if (wanted.dedupe?.mode === 'debounce') {
      timeOfCall.set(row.queue, row.dueAt - wanted.delayMs)
      task.time = row.dueAt
    }
  }
  // All of a call come at one time. The row of a task that is held for its rate does not show it, those of others of its queue do.
  for (const task of held) task.time = timeOfCall.get(task.task.queue) ?? (await timeByNow(bench))
}

/** Gives what was changed the time that the engine gave it. */
export async function stampChanged(
  bench: TaskBench,
  task: ModelTask,
  action: TaskChange['action'],
  wasEnded: boolean,
): Promise<void> {
  if (action === 'postpone') task.time = await dueNow(bench, task)
  else if (action === 'run' && wasEnded) task.time = (await bench.row(task.task.id)).addedAt
  else if (action === 'run') task.time = Math.min(task.time, await dueNow(bench, task))
}

function turnOf(model: TaskModel, { task }: ModelTask, addedAt: number): number {
  const queue = model.queues.get(task.queue)
  const dueAt = addedAt + task.delayMs
  if (queue === undefined || queue.settings.fairMs === 0 || task.tenant === undefined) return dueAt
  const name = `${task.headStartMs} ${task.tenant}`
  const turn = Math.max(addedAt, (queue.turns.get(name) ?? -Infinity) + queue.settings.fairMs)
  queue.turns.set(name, turn)
  return Math.max(dueAt, turn)
}

/** When a task is due; of one that is held for its rate, which shows the time of its token, the time that was now. */
async function dueNow(bench: TaskBench, { task }: ModelTask): Promise<number> {
  const { dueAt, delayedBy } = await bench.row(task.id)
  return delayedBy === 'rate' ? timeByNow(bench) : dueAt
}

/** A time after the last operation and before the next. */
async function timeByNow(bench: TaskBench): Promise<number> {
  await passing(2)
  const id = await bench.add({ queue: 'clock', delayMs: 1_000_000 })
  return (await bench.row(id)).addedAt - 1
}
