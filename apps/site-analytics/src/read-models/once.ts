import type { EventMessage } from '@millrace/core'
import type { Database } from './database.ts'

/**
 * Says, inside the transaction that applies an event, whether a group sees it for the first time. Delivery is at least
 * once; the mark and the effect are one commit, so the effect is once. Keyed by source and id and not by position, so
 * that it also holds where an engine stores a resent event twice.
 */
export function firstTime(database: Database, group: string, { source, id }: EventMessage, now: number): boolean {
  const mark = `${group} ${source} ${id}`
  return database.prepare('INSERT OR IGNORE INTO handled (id, at) VALUES (?, ?)').run(mark, now).changes === 1
}
