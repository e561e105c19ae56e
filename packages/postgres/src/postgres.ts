import type { Engine } from '@millrace/core/driver'
import { checkOptions } from './check-options.ts'
import { createLifecycle } from './driver/connection.ts'
import { createStores } from './driver/stores.ts'
import { createTransport } from './driver/transport.ts'
import { engineName } from './engine-name.ts'
import { createInboxPool } from './inbox/inbox-pool.ts'
import { type PostgresOptions, settingsOf } from './settings.ts'
import { diagnose } from './store/diagnose.ts'

/**
 * PostgreSQL as the engine: one schema of one database, shared by any number of processes. Throws `engine_option_unknown`,
 * `engine_url_invalid`, `config_invalid`.
 *
 * @example
 * const millrace = createMillrace({ engine: postgres('postgres://app:secret@localhost/app') })
 */
export function postgres(options: string | PostgresOptions): Engine {
  const given = typeof options === 'string' ? { url: options } : options
  const settings = settingsOf(given)
  checkOptions(given, settings)
  const name = engineName(settings)
  return {
    name,
    open(runtime) {
      const inboxPool = createInboxPool(settings)
      const engine = createLifecycle(settings, runtime, name)
      const life = {
        ...engine,
        async close() {
          await Promise.all([engine.close(), inboxPool.close()])
        },
      }
      return {
        transport: createTransport(life),
        stores: createStores(life, inboxPool),
        diagnose: async ({ verify = false } = {}) => diagnose(life.current(), verify),
      }
    },
  }
}
