import { MillraceError, type Setting, type SettingStore } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { LIST_SETTINGS, PUT_SETTING } from '../scripts/schedules.ts'
import type { TaskCalls } from './task-calls.ts'

const MOST_BYTES = 65_536

/** Settings: version and value of each by name. */
export function createSettingStore(redis: Connection, calls: TaskCalls): SettingStore {
  const { settings } = redis.keys.tasks
  return {
    async get(name) {
      const row = await redis.call(['HGET', settings, name], settings)
      return typeof row === 'string' ? decodeSetting(name, row) : undefined
    },
    async list(prefix) {
      const reply = (await calls.read(LIST_SETTINGS, [prefix])) as readonly string[]
      const found: Setting[] = []
      for (let at = 0; at + 1 < reply.length; at += 2) found.push(decodeSetting(reply[at] ?? '', reply[at + 1] ?? ''))
      return found
    },
    async put(name, value, expectedVersion) {
      const bytes = Buffer.byteLength(value ?? '')
      if (bytes > MOST_BYTES) {
        throw new MillraceError(
          'limit_exceeded',
          `The setting "${name}" has ${bytes} bytes; at most ${MOST_BYTES} are stored.`,
          {
            path: name,
          },
        )
      }
      const given = value === undefined ? ['0', ''] : ['1', value]
      const version = Number(await calls.write(PUT_SETTING, [name, String(expectedVersion), ...given]))
      return version < 0 ? undefined : { version }
    },
  }
}

function decodeSetting(name: string, row: string): Setting {
  const end = row.indexOf('\n')
  return { name, version: Number(row.slice(0, end)), value: row.slice(end + 1) }
}
