import { defineTask, prepareTask, type AnyTaskDefinition } from '@millrace/core'
import { DEFAULT_LIMITS } from '@millrace/core/contract'
import type { NewTask, Runtime } from '@millrace/core/driver'
import type { TaskOfJob } from './task-of-job.ts'

/** Makes what is stored of the task that a job becomes. Throws what `enqueue` would. */
export type Prepare = (task: TaskOfJob) => NewTask

/** Checks by the definitions that are given; a task of another name is checked by the worker that runs it. */
export function createPrepare(
  definitions: readonly AnyTaskDefinition[],
  runtime: Pick<Runtime, 'now' | 'id'>,
): Prepare {
  const known = new Map(definitions.map((definition) => [definition.name, definition]))
  const unknown = new Map<string, AnyTaskDefinition>()
  const context = { runtime, limits: DEFAULT_LIMITS }

  function adHoc(name: string, queue: string): AnyTaskDefinition {
    const before = unknown.get(name)
    if (before !== undefined) return before
    const definition = defineTask(name, { queue })
    unknown.set(name, definition)
    return definition
  }

  return ({ name, input, options: { queue = name, ...options } }) => {
    const definition = known.get(name)
    return definition === undefined
      ? prepareTask(adHoc(name, queue), input, options, { ...context, unchecked: true })
      : prepareTask(definition, input, options, context)
  }
}
