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
  const rows = await bench.tasks.get(outcomes.map(({ id }) => id))
  const addedAt = new Map(rows.map((row) => [row.id, row.addedAt]))
  for (const [at, { id, outcome }] of outcomes.entries()) {
    const wanted = operation.tasks[at]
    const task = find(model, id)
    if (wanted === undefined || task === undefined) continue
    if (outcome === 'duplicate') {
      if (wanted.dedupe?.mode === 'debounce') task.time = await dueNow(bench, task)
    } else if (!before.has(id)) task.time = turnOf(model, task, addedAt.get(id) ?? 0)
  }
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
  if (delayedBy !== 'rate') return dueAt
  await passing(2)
  const id = await bench.add({ queue: 'clock', delayMs: 1_000_000 })
  return (await bench.row(id)).addedAt - 1
}
