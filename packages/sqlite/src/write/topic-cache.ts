import type { Retention } from '@millrace/core/driver'
import type { Statements } from '../file/statements.ts'

/** One partition as the writer keeps it in mind between transactions. */
export interface PartitionState {
  readonly id: number
  readonly partition: number
  /** The newest sequence number given. */
  head: number
  /** The newest sequence number that retention has dropped: held are `head - dropped` events. */
  dropped: number
  bytes: number
  /** When the newest event was recorded, in milliseconds since the epoch. */
  recorded: number
  expired: number
  changed: boolean
}

export interface TopicState {
  readonly id: number
  readonly name: string
  readonly epoch: number
  readonly retention: Retention
  readonly partitions: readonly PartitionState[]
}

/** The topics and heads, read once and kept for as long as nobody else writes. */
export interface TopicCache {
  get(name: string): TopicState | undefined
  /** Forgets all when another connection has written since the last call, and tells; first thing in each transaction. */
  refresh(): boolean
  clear(): void
  /** Writes the partitions that have changed. */
  save(topic: TopicState): void
}

const SELECT_TOPIC = 'SELECT id, name, epoch, retention FROM topics WHERE name = ?'
const SELECT_PARTITIONS = `
  SELECT id, partition, head, dropped, bytes, recorded, expired FROM partitions WHERE topic = ? ORDER BY partition`
const SAVE_PARTITION = 'UPDATE partitions SET head = ?, dropped = ?, bytes = ?, recorded = ?, expired = ? WHERE id = ?'

export function createTopicCache(sql: Statements): TopicCache {
  const topics = new Map<string, TopicState>()
  let version: unknown
  const load = (name: string): TopicState | undefined => {
    const row = sql.get<{ id: number; name: string; epoch: number; retention: string }>(SELECT_TOPIC, name)
    if (row === undefined) return undefined
    const partitions = sql.all<Omit<PartitionState, 'changed'>>(SELECT_PARTITIONS, row.id)
    return {
      ...row,
      retention: JSON.parse(row.retention) as Retention,
      partitions: partitions.map((partition) => ({ ...partition, changed: false })),
    }
  }
  return {
    get(name) {
      let topic = topics.get(name)
      if (topic === undefined && (topic = load(name)) !== undefined) topics.set(name, topic)
      return topic
    },
    refresh() {
      const now = sql.prepared('PRAGMA data_version').get()?.['data_version']
      const isForeign = now !== version
      if (isForeign) topics.clear()
      version = now
      return isForeign
    },
    clear: () => topics.clear(),
    save(topic) {
      const statement = sql.prepared(SAVE_PARTITION)
      for (const state of topic.partitions) {
        if (!state.changed) continue
        statement.run(state.head, state.dropped, state.bytes, state.recorded, state.expired, state.id)
        state.changed = false
      }
    },
  }
}
