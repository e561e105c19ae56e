import { type Engine, MillraceError } from '@millrace/core/driver'
import { checkOptions } from './check-options.ts'
import { createLifecycle } from './driver/connection.ts'
import { createStores } from './driver/stores.ts'
import { createTransport } from './driver/transport.ts'
import { engineName } from './engine-name.ts'
import { createInboxPool } from './inbox/inbox-pool.ts'
import { optionsOfUrl } from './options-of-url.ts'
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
  const given = withoutQuery(typeof options === 'string' ? { url: options } : options)
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

/** The engine of a URL, options in its query: what `--engine` takes. Throws as `postgres` does. */
export function postgresFromUrl(url: string): Engine {
  return postgres(url)
}

/** Options that are in the URL give way to those beside it. */
function withoutQuery(options: PostgresOptions): PostgresOptions {
  if (typeof options !== 'object' || options === null) throw noAddress()
  const { url } = options
  if (typeof url !== 'string') return options
  const read = optionsOfUrl(url)
  return { ...read, ...options, ...(read.url === undefined ? {} : { url: read.url }) }
}

function noAddress(): MillraceError {
  return new MillraceError(
    'config_invalid',
    'postgres() takes a URL or options: postgres("postgres://user:password@host:5432/database"). Is the variable that holds it set?',
    { path: 'url' },
  )
}
