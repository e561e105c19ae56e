import { type Engine, MillraceError } from '@millrace/core/driver'
import { checkOptions } from './check-options.ts'
import { createLifecycle } from './driver/connection.ts'
import { createStores } from './driver/stores.ts'
import { createTransport } from './driver/transport.ts'
import { settingsOf, type SqliteOptions } from './settings.ts'

/**
 * The embedded engine: one SQLite file, no server, shared by any number of processes on one machine. Throws
 * `engine_option_unknown`, `config_invalid`.
 *
 * @example
 * const millrace = createMillrace({ engine: sqlite('./millrace.db') })
 */
export function sqlite(options: string | SqliteOptions): Engine {
  const given = typeof options === 'string' ? { path: options } : options
  if (typeof given !== 'object' || given === null) throw noPath()
  const settings = settingsOf(given)
  checkOptions(given, settings)
  return {
    name: `sqlite:${settings.path}`,
    open(runtime) {
      const life = createLifecycle(settings, runtime)
      return {
        transport: createTransport(life, runtime),
        stores: createStores(life, settings, runtime),
        diagnose: async ({ verify = false } = {}) => life.current().reader.call('diagnose', { verify }),
      }
    },
  }
}

function noPath(): MillraceError {
  return new MillraceError(
    'config_invalid',
    'sqlite() takes the path of a file or options: sqlite("./app.db"). Is the variable that holds it set?',
    { path: 'path' },
  )
}
