import type { TaskExchange, TaskExchanged, TaskNote, TaskSettle } from '../../driver/task-store.ts'
import { claim } from './claim.ts'
import { endTask } from './ending.ts'
import { givePlaces, putOff } from './places.ts'
import type { Task, TaskTable } from './task-table.ts'

const MOST_LOG_LINES = 1_000

/** Takes notes, settles and claims for a worker. */
export function exchange(
  table: TaskTable,
  { worker, settles, notes, claims }: TaskExchange,
  at: number,
): TaskExchanged {
  for (const note of notes) takeNote(claimed(table, worker, note), note)
  const settled = settles.map((settle) => {
    const task = claimed(table, worker, settle)
    if (task === undefined) return 'fenced'
    settleTask(table, task, settle, at)
    return 'settled'
  })
  givePlaces(table, at)
  const given = claims.map((each) => claim(table, worker, each, at))
  const cancel = [...(table.running.get(worker) ?? [])].filter(({ cancelling }) => cancelling).map(({ id }) => id)
  return { settled, claimed: given, cancel }
}

/** The task, if it runs under this very claim. */
function claimed(
  table: TaskTable,
  worker: string,
  { id, starts }: { readonly id: string; readonly starts: number },
): Task | undefined {
  const task = table.tasks.get(id)
  return task?.state === 'running' && task.worker === worker && task.starts === starts ? task : undefined
}

function takeNote(task: Task | undefined, { progress, log }: TaskNote): void {
  if (task === undefined) return
  if (progress !== undefined) task.progress = progress
  if (log.length === 0) return
  task.log.push(...log.slice(-MOST_LOG_LINES))
  if (task.log.length > MOST_LOG_LINES) task.log.splice(0, task.log.length - MOST_LOG_LINES)
}

function settleTask(table: TaskTable, task: Task, { as, delayMs, output, error }: TaskSettle, at: number): void {
  if (error !== undefined) task.error = error
  if (as !== 'retry' && as !== 'release') {
    if (output !== undefined) {
      task.output = output
      table.bytes += output.length
    }
    endTask(table, task, { as, at })
    return
  }
  if (as === 'retry') task.attempts += 1
  if (task.cancelling) endTask(table, task, { as: 'cancelled', at })
  else putOff(table, task, { delayMs, by: as === 'retry' ? 'retry' : 'delay', at })
}
