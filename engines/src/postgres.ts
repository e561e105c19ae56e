import { foreignServer } from './engine-server.ts'
import type { EngineServer } from './engine-server.ts'
import { startPostgresProcess } from './postgres-process.ts'

/** Options of `startPostgres`. */
export interface PostgresOptions {
  /** Further parameters of postgresql.conf, such as `{ max_connections: '10', fsync: 'off' }`. */
  readonly settings?: Readonly<Record<string, string>>
  /** Default: a free one. */
  readonly port?: number
  /** Where its data folder is made, such as a small disk. Default: the system's temporary folder. */
  readonly inside?: string
  /** Another version than that of the system; it is always a server of its own. */
  readonly version?: 18
  /** A server of its own even where `MILLRACE_TEST_POSTGRES_URL` gives one: for tests that end it or set it up. Default false. */
  readonly own?: boolean
}

/**
 * Starts a PostgreSQL of its own: loopback only, a temporary folder, the superuser `millrace` with a password. With `MILLRACE_TEST_POSTGRES_URL`
 * set it gives that server instead, which can be neither killed nor restarted.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<EngineServer> {
  const { version, own = version !== undefined, settings, port, inside } = options
  const given = process.env['MILLRACE_TEST_POSTGRES_URL']
  if (!own && given !== undefined && given !== '') return foreignServer(given, 'as given')
  return startPostgresProcess({
    name: 'postgres',
    settings,
    port,
    inside,
    program: version === undefined ? 'postgres' : `postgres-${version}`,
  })
}
