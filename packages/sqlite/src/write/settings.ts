import { MillraceError } from '@millrace/core/driver'
import type { WriterState } from './writer-state.ts'

const MOST_BYTES = 64 * 1024

/** Stores or removes a setting if nobody was faster. Throws `limit_exceeded`. */
export function putSetting(
  { sql }: WriterState,
  setting: { readonly name: string; readonly value: string | undefined; readonly expectedVersion: number },
): { readonly version: number } | undefined {
  const { name, value, expectedVersion } = setting
  const stored = sql.get<{ version: number }>('SELECT version FROM settings WHERE name = ?', name)?.version ?? 0
  if (stored !== expectedVersion) return undefined
  if (value === undefined) {
    sql.run('DELETE FROM settings WHERE name = ?', name)
    return { version: 0 }
  }
  const bytes = Buffer.byteLength(value)
  if (bytes > MOST_BYTES) {
    throw new MillraceError(
      'limit_exceeded',
      `The setting "${name}" has ${bytes} bytes; at most ${MOST_BYTES} are stored.`,
    )
  }
  sql.run(
    'INSERT INTO settings (name, value, version) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = ?2, version = ?3',
    name,
    value,
    stored + 1,
  )
  return { version: stored + 1 }
}
