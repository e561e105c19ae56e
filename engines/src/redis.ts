import { foreignServer } from './engine-server.ts'
import type { EngineServer } from './engine-server.ts'
import { withRedis } from './redis-client.ts'
import { startRedisProcess } from './redis-process.ts'

/** Options of `startRedis`. */
export interface RedisOptions {
  /** Whether what it holds is written to an append-only file. Default true, other than Redis itself. */
  readonly appendonly?: boolean
  /** When the append-only file is synced: what a durability level rests on. Default `everysec`, as Redis itself. */
  readonly appendfsync?: 'everysec' | 'always' | 'no'
  /** Further directives of redis.conf, such as `{ maxclients: '20' }`. */
  readonly settings?: Readonly<Record<string, string>>
  /** Default: a free one. */
  readonly port?: number
  /** Where its data folder is made, such as a small disk. Default: the system's temporary folder. */
  readonly inside?: string
  /** Default: Redis. Valkey is another server that speaks the same protocol; it is always one of its own. */
  readonly program?: 'redis-server' | 'valkey-server'
  /** A server of its own even where `MILLRACE_TEST_REDIS_URL` gives one: for tests that end it or set it up. Default false. */
  readonly own?: boolean
}

/**
 * Starts a Redis of its own: loopback only, a temporary folder, an append-only file. With `MILLRACE_TEST_REDIS_URL` set it gives that server instead,
 * which can be neither killed nor restarted.
 */
export async function startRedis(options: RedisOptions = {}): Promise<EngineServer> {
  const given = process.env['MILLRACE_TEST_REDIS_URL']
  const own = options.own ?? options.program !== undefined
  if (!own && given !== undefined && given !== '') return foreignServer(given, await versionOf(given))
  return startRedisProcess({
    name: 'redis',
    program: options.program,
    port: options.port,
    inside: options.inside,
    settings: () => ({ ...appendOnly(options), ...options.settings }),
  })
}

function appendOnly({ appendonly = true, appendfsync = 'everysec' }: RedisOptions): Record<string, string> {
  return { appendonly: appendonly ? 'yes' : 'no', appendfsync }
}

function versionOf(url: string): Promise<string> {
  return withRedis(url, async (client) => /^redis_version:(\S+)/m.exec(await client.info('server'))?.[1] ?? 'unknown')
}
