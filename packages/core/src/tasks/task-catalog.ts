import { MillraceError } from '../runtime/error.ts'
import type { AnyTaskDefinition } from './task-definition.ts'

/** The definitions of tasks that a process knows, by name. */
export interface TaskCatalog {
  /** Adding a definition again does nothing. Throws `task_definition_invalid` for another one of the same name. */
  add(definition: AnyTaskDefinition): void
  get(name: string): AnyTaskDefinition | undefined
  list(): readonly AnyTaskDefinition[]
}

export function createTaskCatalog(onAdded: (definition: AnyTaskDefinition) => void): TaskCatalog {
  const byName = new Map<string, AnyTaskDefinition>()
  return {
    add(definition) {
      const known = byName.get(nameOf(definition))
      if (known === definition) return
      if (known !== undefined) {
        throw new MillraceError(
          'task_definition_invalid',
          `Two definitions claim the task "${definition.name}". Export one definition and import it everywhere.`,
          { path: 'name', facts: { name: definition.name } },
        )
      }
      byName.set(definition.name, definition)
      onAdded(definition)
    },
    get: (name) => byName.get(name),
    list: () => [...byName.values()],
  }
}

function nameOf(definition: unknown): string {
  if (typeof definition === 'object' && definition !== null && 'name' in definition && 'retries' in definition)
    return String(definition.name)
  throw new MillraceError('task_definition_invalid', 'This is no definition of a task. Make one with defineTask.', {
    path: 'task',
  })
}
