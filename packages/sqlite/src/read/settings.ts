import type { Setting } from '@millrace/core/driver'
import type { ReaderState } from './reader-state.ts'

const MOST_LISTED = 1_000

/** One setting. */
export function getSetting({ sql }: ReaderState, { name }: { readonly name: string }): Setting | undefined {
  const row = sql.get<Setting>('SELECT name, value, version FROM settings WHERE name = ?', name)
  return row === undefined ? undefined : { ...row }
}

/** The settings whose names begin with a prefix, by name. */
export function listSettings({ sql }: ReaderState, { prefix }: { readonly prefix: string }): readonly Setting[] {
  const rows = sql.all<Setting>(
    `SELECT name, value, version FROM settings WHERE name >= ?1 AND substr(name, 1, length(?1)) = ?1
     ORDER BY name LIMIT ${MOST_LISTED}`,
    prefix,
  )
  return rows.map((row) => ({ ...row }))
}
