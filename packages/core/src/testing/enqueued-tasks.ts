import type { Millrace } from '../backbone/millrace.ts'
import type { AnyTaskDefinition, TaskData } from '../tasks/task-definition.ts'
import type { TaskView } from '../tasks/task-view.ts'

/** A task that was enqueued, with its input as handlers see it. */
export type EnqueuedTask<Definition extends AnyTaskDefinition> = Omit<TaskView, 'input'> & {
  readonly input: TaskData<Definition>
}

const PAGE = 1_000

/**
 * What was enqueued of a definition, whatever has become of it since, in the order of adding.
 *
 * @example
 * expect((await enqueuedTasks(millrace, SendMail)).map(({ input }) => input.to)).toEqual(['ann@example.org'])
 */
export async function enqueuedTasks<Definition extends AnyTaskDefinition>(
  millrace: Millrace,
  { name }: Definition,
): Promise<readonly EnqueuedTask<Definition>[]> {
  const found: TaskView[] = []
  for (;;) {
    const after = found.at(-1)?.id
    const page = await millrace.tasks.list({ name, limit: PAGE, ...(after === undefined ? {} : { after }) })
    found.push(...page)
    if (page.length < PAGE) break
  }
  // The store shows what has not ended first; ids of one process are ordered by time.
  const inOrder = found.toSorted((one, other) => compare(one.addedAt, other.addedAt) || compare(one.id, other.id))
  return inOrder as unknown as readonly EnqueuedTask<Definition>[]
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
