import { type Driver, type Engine, MillraceError, type Runtime } from '@millrace/core/driver'
import { checkOptions } from './check-options.ts'
import { readUrl } from './client/read-url.ts'
import { diagnose } from './driver/diagnose.ts'
import { createLifecycle } from './driver/lifecycle.ts'
import { createStores } from './driver/stores.ts'
import { createTransport } from './driver/transport.ts'
import { optionsOfUrl } from './options-of-url.ts'
import { type RedisOptions, settingsOf } from './settings.ts'

/**
 * Redis 7.0 or newer, or Valkey, as the engine: alone, as a cluster, or behind Sentinels. Throws `engine_url_invalid`,
 * `engine_option_unknown`, `config_invalid`.
 *
 * @example
 * const millrace = createMillrace({ engine: redis('redis://127.0.0.1:6379') })
 */
export function redis(options: string | RedisOptions): Engine {
  const given = withoutQuery(typeof options === 'string' ? { url: options } : options)
  const settings = settingsOf(given)
  checkOptions(given, settings)
  const where = settings.url === undefined ? 'redis: (a given client)' : readUrl(settings.url).name
  return {
    name: where,
    open(runtime: Runtime): Driver {
      const life = createLifecycle(settings, runtime, where)
      return {
        transport: createTransport(life),
        stores: createStores(life),
        diagnose: async () => diagnose(life.current()),
      }
    },
  }
}

/** The engine of a URL, options in its query: what `--engine` takes. Throws as `redis` does. */
export function redisFromUrl(url: string): Engine {
  return redis(url)
}

/** Options that are in the URL give way to those beside it. */
function withoutQuery(options: RedisOptions): RedisOptions {
  if (typeof options !== 'object' || options === null) throw noAddress()
  return options.url === undefined
    ? options
    : { ...optionsOfUrl(options.url), ...options, url: options.url.split('?', 1)[0] ?? '' }
}

function noAddress(): MillraceError {
  return new MillraceError(
    'config_invalid',
    'redis() takes a URL or options: redis("redis://127.0.0.1:6379"). Is the variable that holds it set?',
    { path: 'url' },
  )
}
