import type { Retention } from '../driver/transport.ts'
import type { PartitionLog } from './partition-log.ts'

/** A topic as the engine keeps it. */
export interface TopicState {
  readonly topic: string
  retention: Retention
  readonly partitions: readonly PartitionLog[]
  /** Events held, and the characters of their bodies. */
  held: number
  bytes: number
  expiredUnread: number
  /** Called after events were appended, and once when the topic is removed. */
  readonly watchers: Set<() => void>
}
