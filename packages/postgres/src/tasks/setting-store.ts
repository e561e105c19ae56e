import { MillraceError, type Setting, type SettingStore } from '@millrace/core/driver'
import type { Database } from '../database/database.ts'
import type { Connection } from '../driver/connection.ts'
import { decodeName, encodeName } from '../name-codec.ts'

const MOST_BYTES = 65_536
const MOST_LISTED = 1_000

/** The shared settings of one schema. */
export function createSettingStore(current: () => Connection): SettingStore {
  const database = (): Database => current().database
  return {
    async get(name) {
      const row = await database().first<Setting>('SELECT * FROM $S.settings WHERE name = $1', encodeName(name))
      return row && settingOf(row)
    },
    list: async (prefix) =>
      (
        await database().rows<Setting>(
          'SELECT * FROM $S.settings s WHERE starts_with(s.name, $1) AND s.name >= $1 ORDER BY s.name LIMIT $2',
          encodeName(prefix),
          MOST_LISTED,
        )
      ).map(settingOf),
    async put(name, value, expectedVersion) {
      if (value !== undefined && Buffer.byteLength(value) > MOST_BYTES) throw tooLarge(name)
      const row = await database().first<{ version: number }>(
        put(value, expectedVersion),
        encodeName(name),
        ...(value === undefined ? [] : [encodeName(value)]),
        ...(value !== undefined && expectedVersion === 0 ? [] : [expectedVersion]),
      )
      if (row !== undefined) return { version: value === undefined ? 0 : row.version }
      if (value !== undefined || expectedVersion !== 0) return undefined
      return (await this.get(name)) === undefined ? { version: 0 } : undefined
    },
  }
}

function put(value: string | undefined, expectedVersion: number): string {
  if (value === undefined) return 'DELETE FROM $S.settings WHERE name = $1 AND version = $2 RETURNING version'
  if (expectedVersion === 0)
    return 'INSERT INTO $S.settings (name, value, version) VALUES ($1, $2, 1) ON CONFLICT (name) DO NOTHING RETURNING version'
  return 'UPDATE $S.settings SET value = $2, version = version + 1 WHERE name = $1 AND version = $3 RETURNING version'
}

function settingOf({ name, value, version }: Setting): Setting {
  return { name: decodeName(name), value: decodeName(value), version }
}

function tooLarge(name: string): MillraceError {
  return new MillraceError(
    'limit_exceeded',
    `The value of the setting "${name.slice(0, 100)}" is larger than ${MOST_BYTES} bytes. Keep it small.`,
  )
}
