import type { TaskState } from '../driver/task.ts'
import type { Priority } from './priority.ts'
import type { Progress } from './progress.ts'
import type { TaskMetadata } from './task-handler.ts'

/** A task as tools see it. Times are RFC 3339, by the engine's clock. */
export interface TaskView {
  readonly id: string
  readonly name: string
  readonly queue: string
  readonly state: TaskState
  /** Undefined where what is stored cannot be read. */
  readonly input: unknown
  readonly metadata: Partial<TaskMetadata>
  readonly key: string | undefined
  readonly tenant: string | undefined
  readonly priority: Priority
  /** Failed attempts. */
  readonly attempts: number
  /** How often it was started. */
  readonly starts: number
  /** Workers that ended while they ran it. */
  readonly crashes: number
  readonly worker: string | undefined
  readonly addedAt: string
  readonly dueAt: string
  readonly startedAt: string | undefined
  readonly endedAt: string | undefined
  readonly expiresAt: string | undefined
  readonly delayedBy: 'delay' | 'retry' | 'rate' | undefined
  readonly cancelling: boolean
  readonly dedupeKey: string | undefined
  readonly parent: string | undefined
  readonly pendingChildren: number
  readonly output: unknown
  /** The last failure. */
  readonly error: TaskFailure | undefined
  readonly progress: Progress | undefined
}

export interface TaskFailure {
  readonly code: string
  readonly message: string
  readonly stack: string | undefined
  /** Equal failures have equal fingerprints. */
  readonly fingerprint: string
}
