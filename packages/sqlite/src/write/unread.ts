import { decodeRanges } from '@millrace/core/driver'
import type { TopicState } from './topic-cache.ts'
import type { WriterState } from './writer-state.ts'

/** What the groups of one partition have settled. */
export interface PartitionReaders {
  /** Everything up to here is settled by every group; infinite without groups. */
  readonly settledByAll: number
  /** Whether some group has not settled this event. */
  readonly isUnread: (seq: number) => boolean
}

const SELECT_READERS = 'SELECT settled, ahead FROM progress WHERE partition_id = ?'

/** Who has read how far in a partition. */
export function readersOf(state: WriterState, partitionId: number): PartitionReaders {
  const groups = state.sql
    .all<{ settled: number; ahead: string }>(SELECT_READERS, partitionId)
    .map(({ settled, ahead }) => ({ settled, ranges: decodeRanges(ahead) }))
  return {
    settledByAll: Math.min(...groups.map(({ settled }) => settled)),
    isUnread: (seq) =>
      groups.some(({ settled, ranges }) => seq > settled && !ranges.some(([from, to]) => from <= seq && seq <= to)),
  }
}

/** How much of a topic some group has not settled; the bytes are in proportion to the events. */
export function unreadOf(state: WriterState, topic: TopicState): { events: number; bytes: number } {
  let events = 0
  let bytes = 0
  for (const { id, head, dropped, bytes: heldBytes } of topic.partitions) {
    const { settledByAll } = readersOf(state, id)
    const unread = Math.max(0, head - Math.max(settledByAll, dropped))
    events += unread
    if (head > dropped) bytes += (heldBytes * unread) / (head - dropped)
  }
  return { events, bytes }
}
