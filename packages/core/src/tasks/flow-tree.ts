import type { NewTask } from '../driver/task.ts'
import { MillraceError } from '../runtime/error.ts'
import { wrongOptions } from '../runtime/wrong-options.ts'
import { decodeTaskBody, encodeTaskBody } from './task-body.ts'
import type { AnyTaskDefinition } from './task-definition.ts'
import type { TaskFlow } from './task-flow.ts'

/** More would not fit into one step of every engine. */
const MOST_TASKS = 1_000
const DEEPEST = 16
const FLOW: ReadonlySet<string> = new Set(['task', 'input', 'options', 'children', 'onChildFailure'])

/**
 * The tasks of a flow, parents before their children, made by `prepare`. Children belong to the flow of the root.
 * Throws `limit_exceeded`, `task_options_invalid` and what `prepare` throws.
 */
export function tasksOfFlow(
  flow: TaskFlow,
  prepare: (definition: AnyTaskDefinition, input: unknown, options: TaskFlow['options']) => NewTask,
): { readonly root: NewTask; readonly tasks: readonly NewTask[] } {
  const tasks: NewTask[] = []
  let correlationId: string | undefined

  function add(node: TaskFlow, parent: NewTask | undefined, depth: number): NewTask {
    if (tasks.length >= MOST_TASKS || depth > DEEPEST) throw tooLarge()
    const { children = [], onChildFailure = 'fail' } = nodeOf(node)
    const given = node.options ?? {}
    const flowOf = parent === undefined ? {} : { causationId: parent.id }
    const metadata = { ...(correlationId === undefined ? {} : { correlationId }), ...flowOf, ...given.metadata }
    const prepared = prepare(node.task, node.input, { ...given, metadata })
    const body = decodeTaskBody(prepared.body)
    correlationId ??= body.metadata.correlationId
    const task: NewTask = {
      ...prepared,
      ...(parent === undefined ? {} : { body: encodeTaskBody({ ...body, parentQueue: parent.queue }) }),
      dedupe: undefined,
      parent: parent?.id,
      children: children.length,
      failFast: onChildFailure === 'fail',
    }
    tasks.push(task)
    for (const child of children) add(child, task, depth + 1)
    return task
  }

  const root = add(flow, undefined, 1)
  const ids = new Set(tasks.map((task) => task.id))
  if (ids.size === tasks.length) return { root, tasks }
  throw new MillraceError('task_options_invalid', 'Two tasks of the flow have the same id. Give each its own.', {
    path: 'id',
  })
}

function nodeOf(node: unknown): TaskFlow {
  if (typeof node !== 'object' || node === null) throw invalid('children', 'must be flows: { task, input, children }')
  const wrong = wrongOptions(node, FLOW)
  if (wrong !== undefined) throw invalid(wrong.name ?? 'flow', wrong.what)
  const { children, onChildFailure } = node as { readonly children?: unknown; readonly onChildFailure?: unknown }
  if (children !== undefined && !Array.isArray(children)) throw invalid('children', 'must be a list of flows')
  if (onChildFailure !== undefined && onChildFailure !== 'fail' && onChildFailure !== 'continue')
    throw invalid('onChildFailure', 'must be "fail" or "continue"')
  return node as TaskFlow
}

function invalid(path: string, what: string): MillraceError {
  return new MillraceError('task_options_invalid', `The "${path}" of the flow ${what}.`, { path })
}

function tooLarge(): MillraceError {
  return new MillraceError(
    'limit_exceeded',
    `The flow has more than ${MOST_TASKS} tasks or ${DEEPEST} levels. Split it into several.`,
    { path: 'children', facts: { limit: MOST_TASKS } },
  )
}
