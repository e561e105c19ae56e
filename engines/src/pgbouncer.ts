import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createDataFolder, removeDataFolder } from './data-folder.ts'
import type { EngineServer } from './engine-server.ts'
import { foreignServer } from './engine-server.ts'
import { freePort } from './free-port.ts'
import { ensureInstalled } from './installed.ts'
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
    const own = await freePort()
    const settings = {
      listen_addr: '127.0.0.1',
      listen_port: String(own),
      unix_socket_dir: '',
      auth_type: 'scram-sha-256',
      auth_file: users,
      pool_mode: 'transaction',
      default_pool_size: String(options.poolSize ?? 20),
      max_client_conn: '500',
      ...options.settings,
    }
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`)
    const databases = `[databases]\n* = host=${hostname} port=${port}\n`
    const configuration = join(folder, 'pgbouncer.ini')
    await writeFile(configuration, `${databases}\n[pgbouncer]\n${lines.join('\n')}\n`)
    await giveAway(folder)
    const start = (): Promise<ServerProcess> => {
      const [program = file, ...args] = asPostgres(file, configuration)
      return startServerProcess({ file: program, args, ready: /process up/, folder })
    }
    const url = new URL(server.url)
    url.port = String(own)
    return ownPooler({ url: url.href, version: await versionOf(file), folder, pooler: await start(), start })
  } catch (error) {
    await removeDataFolder(folder)
    throw error
  }
}

async function versionOf(file: string): Promise<string> {
  const { stdout } = await promisify(execFile)(file, ['--version'])
  return /\d+(?:\.\d+)+/.exec(stdout)?.[0] ?? 'unknown'
}

interface OwnPooler {
  readonly url: string
  readonly version: string
  readonly folder: string
  readonly pooler: ServerProcess
  readonly start: () => Promise<ServerProcess>
}

function ownPooler({ url, version, folder, pooler, start }: OwnPooler): EngineServer {
  let current = pooler
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= current.end('SIGTERM').then(() => removeDataFolder(folder))
    return stopped
  }
  return {
    url,
    version,
    get pid() {
      return current.running ? current.pid : undefined
    },
    kill: () => current.end('SIGKILL'),
    async restart() {
      if (stopped !== undefined) throw new Error('pgbouncer was stopped for good; start another one.')
      if (current.running) await current.end('SIGTERM')
      current = await start()
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
