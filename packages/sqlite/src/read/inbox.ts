import type { InboxEntry } from '@millrace/core/driver'
import type { ReaderState } from './reader-state.ts'

/** Whether the group has applied the event. */
export function inboxHas(
  { sql }: ReaderState,
  { group, source, id, generation }: Pick<InboxEntry, 'group' | 'source' | 'id' | 'generation'>,
): boolean {
  const found = sql.get(
    'SELECT 1 AS found FROM inbox WHERE group_name = ? AND source = ? AND id = ? AND generation = ?',
    group,
    source,
    id,
    generation,
  )
  return found !== undefined
}
