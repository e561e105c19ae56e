import type { Database } from './database.ts'

/** What belongs to single visitors is kept this long; counts stay. */
export const RAW_RETENTION_MS = 48 * 60 * 60_000

const CHUNK = 5_000

/** Inside a transaction: deletes a bounded part of what is too old. Returns whether there may be more. */
export function deleteOld(database: Database, now: number): boolean {
  const before = now - RAW_RETENTION_MS
  const deletions = [
    'DELETE FROM handled WHERE id IN (SELECT id FROM handled WHERE at < ? LIMIT ?)',
    'DELETE FROM session_events WHERE session IN (SELECT id FROM sessions WHERE open = 0 AND touched_at < ? LIMIT ?)',
    'DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE open = 0 AND touched_at < ? LIMIT ?)',
    'DELETE FROM visitors WHERE (visitor, origin) IN (SELECT visitor, origin FROM visitors WHERE touched_at < ? LIMIT ?)',
    'DELETE FROM known_visitors WHERE visitor IN (SELECT visitor FROM known_visitors WHERE touched_at < ? LIMIT ?)',
  ]
  let full = false
  for (const sql of deletions) full = database.prepare(sql).run(before, CHUNK).changes >= CHUNK || full
  return full
}
