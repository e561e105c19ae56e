import type { Engine } from '@millrace/core/driver'
import { createLifecycle } from './driver/connection.ts'
import { createStores } from './driver/stores.ts'
import { createTransport } from './driver/transport.ts'
import { settingsOf, type SqliteOptions } from './settings.ts'

/**
 * The embedded engine: one SQLite file, no server, shared by any number of processes on one machine.
 *
 * @example
 * const millrace = createMillrace({ engine: sqlite('./millrace.db') })
 */
export function sqlite(options: string | SqliteOptions): Engine {
  const settings = settingsOf(typeof options === 'string' ? { path: options } : options)
  return {
    name: `sqlite:${settings.path}`,
    open(runtime) {
      const life = createLifecycle(settings, runtime)
      return {
        transport: createTransport(life, runtime),
        stores: createStores(life),
        diagnose: async ({ verify = false } = {}) => life.current().reader.call('diagnose', { verify }),
      }
    },
  }
}
