import type { SettleRow } from '@millrace/core/driver'
import type { WriterState } from './writer-state.ts'

const UPDATE = `
  UPDATE progress SET settled = ?, fetched_high = max(fetched_high, ?), ahead_count = ?, ahead = ?, attempts = ?, starting = ?
  WHERE group_id = (SELECT id FROM groups WHERE name = ?) AND partition_id = ? AND token = ?`

/** Stores progress, each partition under its token; returns the partitions whose token has moved on. */
export function settle(
  state: WriterState,
  { group, topic, rows }: { readonly group: string; readonly topic: string; readonly rows: readonly SettleRow[] },
): number[] {
  const fenced: number[] = []
  const partitions = state.topics.get(topic)?.partitions ?? []
  for (const row of rows) {
    const { settled, fetched_high: high, ahead_count: aheadCount, ahead, attempts, starting, token } = row
    const id = partitions[row.partition]?.id ?? 0
    const done = state.sql.run(UPDATE, settled, high, aheadCount, ahead, attempts, starting, group, id, token)
    if (done === 0) fenced.push(row.partition)
  }
  return fenced
}
