import type { NewTask } from './task.ts'

/**
 * Tasks of one call as a store adds them, where some ids may be there already: what is there is left as it is, so that a parent waits only for
 * the children that come with it, and children whose parent is not new have none. Pure.
 */
export function freshFlows(tasks: readonly NewTask[], isThere: (id: string) => boolean): readonly NewTask[] {
  if (!tasks.some(isOfFlow)) return tasks
  const parents = new Map<string, string | undefined>()
  for (const { id, parent } of tasks) if (!parents.has(id) && !isThere(id)) parents.set(id, parent)
  const children = new Map<string, number>()
  for (const parent of parents.values()) {
    if (parent !== undefined && parents.has(parent)) children.set(parent, (children.get(parent) ?? 0) + 1)
  }
  return tasks.map((task) => {
    if (!isOfFlow(task)) return task
    const parent = task.parent !== undefined && parents.has(task.parent) ? task.parent : undefined
    return { ...task, dedupe: undefined, parent, children: task.children > 0 ? (children.get(task.id) ?? 0) : 0 }
  })
}

function isOfFlow({ parent, children }: NewTask): boolean {
  return parent !== undefined || children > 0
}
