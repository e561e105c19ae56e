import type { Limits } from '../contract/limits.ts'
import type { Target } from '../bus/targets.ts'
import type { TaskAdmin } from '../driver/task-admin.ts'
import { checkInput, checkOutput } from './check-input.ts'
import type { Enqueueing } from './enqueueing.ts'
import type { AnyTaskDefinition } from './task-definition.ts'
import type { TaskOperations } from './task-operations.ts'

/** A definition as something that others can start by its name. */
export function taskTarget(
  definition: AnyTaskDefinition,
  {
    enqueueing,
    operations,
    admin,
    limits,
    opened,
  }: {
    readonly enqueueing: Enqueueing
    readonly operations: TaskOperations
    readonly admin: TaskAdmin
    readonly limits: Limits
    readonly opened: () => Promise<void>
  },
): Target {
  return {
    kind: 'task',
    name: definition.name,
    async start(input, options) {
      const { id } = await enqueueing.enqueue(definition, input, options)
      return { id }
    },
    result: (id, options) => operations.result(id, options),
    async cancel(id, { signal } = {}) {
      const isTooLate = (): boolean => signal?.aborted ?? false
      const { starts } = await operations.get(id)
      if (starts > 0 || isTooLate()) return false
      await operations.cancel([id])
      const after = await operations.get(id)
      if (after.state !== 'cancelled' || after.starts > 0) return false
      if (!isTooLate()) return true
      // Its caller was told meanwhile that it may be there, and may wait for it.
      await operations.retry([id])
      return false
    },
    async waitMs() {
      await opened()
      const queue = (await admin.queues()).find(({ name }) => name === definition.queue.name)
      return queue?.oldestReadyMs ?? 0
    },
    checkInput: (input) => checkInput<unknown>(definition, input, limits),
    checkOutput: (output) => checkOutput<unknown>(definition, output, limits),
  }
}
