import type { AnyTaskDefinition, TaskInput } from './task-definition.ts'
import type { EnqueueOptions } from './enqueue-options.ts'

/** A task that waits for others, which may wait for others in turn: a tree, added at once or not at all. */
export interface TaskFlow<Definition extends AnyTaskDefinition = AnyTaskDefinition> {
  readonly task: Definition
  readonly input: TaskInput<Definition>
  readonly options?: Omit<EnqueueOptions, 'signal' | 'dedupe'>
  readonly children?: readonly TaskFlow[]
  /** `fail` (default): it is dead when a child is not done, and the rest of its children is cancelled. `continue`: it runs when all have ended. */
  readonly onChildFailure?: 'fail' | 'continue'
}

/** How a child of a task has ended. */
export interface ChildResult {
  readonly id: string
  readonly name: string
  readonly state: 'done' | 'dead' | 'cancelled' | 'expired'
  /** Of what is done. */
  readonly output: unknown
  readonly error: { readonly code: string; readonly message: string } | undefined
}
