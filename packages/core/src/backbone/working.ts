import type { Publishing } from '../bus/publishing.ts'
import { createTargets } from '../bus/targets.ts'
import type { Limits } from '../contract/limits.ts'
import { createOperations } from '../operations/create-operations.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { AnyTaskDefinition } from '../tasks/task-definition.ts'
import { TaskProgressedEvent } from '../tasks/task-progress-event.ts'
import { createTasking, type Tasking } from '../tasks/tasking.ts'
import type { Engines } from './engines.ts'
import type { Millrace } from './millrace.ts'

/** What tasks and operations are made of. */
export interface WorkingOptions {
  readonly name: string
  /** For people: name and process id. */
  readonly label: string
  readonly engines: Engines
  readonly definitions: readonly AnyTaskDefinition[]
  readonly publishing: Publishing
  readonly runtime: Runtime
  readonly limits: Limits
  readonly leaseMs: number
  readonly alive: Int32Array
  readonly timeoutMs: number
  readonly maxPending: number
  readonly start: () => Promise<void>
  /** Opens the store only. */
  readonly startStore: () => Promise<void>
  readonly isOpen: () => boolean
  readonly onError: (error: unknown) => void
}

/** Tasks, and the operations that may run as tasks. */
export interface Working {
  readonly calls: Tasking['calls'] & Pick<Millrace, 'operation' | 'operations'>
  readonly joinDeadTasks: Tasking['joinDeadTasks']
  stop(timeoutMs: number): Promise<void>
}

export function createWorking(options: WorkingOptions): Working {
  const { name, engines, publishing, runtime, onError } = options
  const targets = createTargets()
  const ready = engines.store === engines.main ? options.start : options.startStore
  const tasking = createTasking({
    ...options,
    service: options.label,
    driver: engines.store,
    targets,
    ready,
    isReady: options.isOpen,
    publishProgress(progress) {
      publishing.publishNew(TaskProgressedEvent, progress).catch(onError)
    },
  })
  const { settings } = engines.store.stores
  const operations = createOperations({ millrace: name, targets, settings, ready, runtime })

  return {
    calls: {
      ...tasking.calls,
      operation(operationName, definition) {
        const operation = operations.define(operationName, definition)
        tasking.learn(definition.task as unknown as AnyTaskDefinition)
        return operation
      },
      operations,
    },
    joinDeadTasks: tasking.joinDeadTasks,
    async stop(timeoutMs) {
      operations.close()
      await tasking.stop(timeoutMs)
    },
  }
}
