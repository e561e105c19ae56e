import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createDataFolder, removeDataFolder } from './data-folder.ts'
import type { EngineServer } from './engine-server.ts'
import { foreignServer } from './engine-server.ts'
import { onFreePort } from './free-port.ts'
import { ensureInstalled, versionOf } from './installed.ts'
import { ownServer } from './own-server.ts'
import { asPostgres, giveAway } from './postgres-process.ts'
import { startServerProcess } from './server-process.ts'
import type { ServerProcess } from './server-process.ts'

/** Options of `startPgbouncer`. */
export interface PgbouncerOptions {
  /** Connections to the server for each database and user. Default 20. */
  readonly poolSize?: number
  /** Further settings of the section `[pgbouncer]`. */
  readonly settings?: Readonly<Record<string, string>>
}

/**
 * Starts pgbouncer in transaction mode in front of a PostgreSQL server; its URL leads to the same database with the same user. With
 * `MILLRACE_TEST_PGBOUNCER_URL` set it gives that one instead, whatever the server.
 */
export async function startPgbouncer(server: EngineServer, options: PgbouncerOptions = {}): Promise<EngineServer> {
  const given = process.env['MILLRACE_TEST_PGBOUNCER_URL']
  if (given !== undefined && given !== '') return foreignServer(given, 'as given')
  const file = await ensureInstalled('pgbouncer')
  const folder = await createDataFolder('pgbouncer')
  try {
    const { hostname, port, username, password } = new URL(server.url)
    const login = [username, password].map((word) => `"${decodeURIComponent(word)}"`).join(' ')
    const users = join(folder, 'users.txt')
    await writeFile(users, `${login}\n`)
    const settings = {
      listen_addr: '127.0.0.1',
      unix_socket_dir: '',
      auth_type: 'scram-sha-256',
      auth_file: users,
      pool_mode: 'transaction',
      default_pool_size: String(options.poolSize ?? 20),
      max_client_conn: '500',
      ...options.settings,
    }
    const databases = `[databases]\n* = host=${hostname} port=${port}\n`
    const configuration = join(folder, 'pgbouncer.ini')
    const start = (): Promise<ServerProcess> => {
      const [program = file, ...args] = asPostgres(file, configuration)
      return startServerProcess({ file: program, args, ready: /process up/, folder })
    }
    const configure = async (own: number): Promise<ServerProcess> => {
      const lines = Object.entries({ ...settings, listen_port: own }).map(([name, value]) => `${name} = ${value}`)
      await writeFile(configuration, `${databases}\n[pgbouncer]\n${lines.join('\n')}\n`)
      return start()
    }
    await giveAway(folder)
    const { server: pooler, port: own } = await onFreePort(configure)
    const url = new URL(server.url)
    url.port = String(own)
    const place = { url: url.href, version: await versionOf(file) }
    return ownServer(place, { name: 'pgbouncer', server: pooler, folder, endBy: 'SIGTERM', start })
  } catch (error) {
    await removeDataFolder(folder)
    throw error
  }
}
