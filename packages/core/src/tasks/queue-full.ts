import type { NewTask } from '../driver/task.ts'
import { MillraceError } from '../runtime/error.ts'

/** The error of a task that its queue, or that of another task of its flow, takes no more; `some` when others of the same call were added. */
export function queueFull(
  { name, queue, parent, children }: NewTask,
  some?: { readonly added: number; readonly of: number },
): MillraceError {
  const isFlow = parent !== undefined || children > 0
  const what =
    some === undefined ? `The task "${name}" is not added` : `${some.added} of ${some.of} tasks "${name}" are added`
  const why = isFlow ? 'a queue of its flow is full, and a flow comes as a whole' : `the queue "${queue}" is full`
  return new MillraceError(
    'queue_full',
    `${what}: ${why} (maxWaiting). Try again when its workers have caught up; slow the producer down, add workers, or raise the bound.`,
    { retriable: true, facts: { queue, ...some } },
  )
}
