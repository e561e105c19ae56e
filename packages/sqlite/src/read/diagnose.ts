import type { Finding } from '@millrace/core/driver'
import { sqliteVersion } from '../file/open-database.ts'
import type { ReaderState } from './reader-state.ts'

/** What the doctor sees in this file. */
export function diagnose(state: ReaderState, _options: { readonly verify: boolean }): readonly Finding[] {
  return [{ check: 'version', level: 'fine', text: `SQLite ${sqliteVersion(state.sql.db)}.` }]
}
