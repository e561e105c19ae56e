import type { Statements } from '../file/statements.ts'
import type { FaultPoint } from '../file/fault-point.ts'
import type { TopicCache } from './topic-cache.ts'
import type { NameIds } from './name-ids.ts'
import type { TaskCache } from './tasks/task-cache.ts'

/** What every writing operation works on. All of them run inside a transaction of the write loop. */
export interface WriterState {
  readonly sql: Statements
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly path: string
  readonly maxBytes: number
  readonly fault: FaultPoint
  readonly topics: TopicCache
  readonly types: NameIds
  readonly sources: NameIds
  readonly tasks: TaskCache
  /** Set by an operation that leaves work for retention. */
  retentionWanted: boolean
}
