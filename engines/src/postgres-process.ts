import { execFile } from 'node:child_process'
import { appendFile, chown, realpath, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { createDataFolder, removeDataFolder } from './data-folder.ts'
import type { EngineServer } from './engine-server.ts'
import { onFreePort } from './free-port.ts'
import { ensureInstalled, versionOf } from './installed.ts'
import { ownServer } from './own-server.ts'
import { startServerProcess } from './server-process.ts'
import type { ServerProcess } from './server-process.ts'

/** What a PostgreSQL process is started with. */
export interface PostgresProcessOptions {
  /** Part of the folder's name, such as `postgres` or `standby`. */
  readonly name: string
  /** Parameters of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** Default: a free one. */
  readonly port?: number | undefined
  /** Where its data folder is made. Default: the system's temporary folder. */
  readonly inside?: string | undefined
  /** Default: the PostgreSQL of the system. */
  readonly program?: 'postgres' | 'postgres-18'
  /** Fills the data folder, which does not exist yet. Default: a new, empty cluster. */
  readonly fill?: (data: string) => Promise<void>
}

/** A PostgreSQL server with its place. */
export interface PostgresProcess extends EngineServer {
  readonly port: number
  /** PGDATA. */
  readonly data: string
}

/** The superuser of every server that is started here, and the password of it. */
export const POSTGRES_USER = 'millrace'
export const POSTGRES_PASSWORD = 'mill race'

/** Starts PostgreSQL on the loopback interface, without a unix socket, with a data folder of its own. */
export async function startPostgresProcess(options: PostgresProcessOptions): Promise<PostgresProcess> {
  const { program: wanted = 'postgres' } = options
  const file = await postgresProgram('postgres', wanted)
  const folder = await createDataFolder(options.name, options.inside)
  const data = join(folder, 'data')
  try {
    await giveAway(folder)
    await (options.fill ?? ((empty) => newCluster(empty, wanted)))(data)
    await appendFile(join(data, 'postgresql.conf'), configurationFile({ ...BASICS, ...options.settings }))
    const start = (port: number): Promise<ServerProcess> => {
      const [program = file, ...args] = asPostgres(file, '-D', data, '-p', String(port))
      return startServerProcess({ file: program, args, ready: /ready to accept/, folder })
    }
    const { server, port } = await onFreePort(start, options.port)
    const login = `${POSTGRES_USER}:${encodeURIComponent(POSTGRES_PASSWORD)}`
    const url = `postgres://${login}@127.0.0.1:${port}/postgres`
    const again = (): Promise<ServerProcess> => startAgain(() => start(port))
    const place = { url, port, data, version: await versionOf(file) }
    return ownServer(place, { name: 'PostgreSQL', server, folder, endBy: 'SIGINT', start: again })
  } catch (error) {
    await removeDataFolder(folder)
    throw error
  }
}

/** Runs a program of PostgreSQL to its end, as the user that may. */
export async function runPostgresProgram(name: string, ...args: readonly string[]): Promise<string> {
  return runAsPostgres(await postgresProgram(name), args)
}

async function runAsPostgres(file: string, args: readonly string[]): Promise<string> {
  const [program = file, ...rest] = asPostgres(file, ...args)
  const env = { ...process.env, LC_ALL: 'C.UTF-8', PGPASSWORD: POSTGRES_PASSWORD }
  const { stdout } = await promisify(execFile)(program, rest, { cwd: '/', env })
  return stdout
}

const BASICS: Readonly<Record<string, string>> = {
  listen_addresses: "'127.0.0.1'",
  unix_socket_directories: "''",
  max_connections: '100',
  log_min_messages: 'warning',
}

async function newCluster(data: string, program: NonNullable<PostgresProcessOptions['program']>): Promise<void> {
  const passwordFile = join(data, '..', 'password')
  await writeFile(passwordFile, `${POSTGRES_PASSWORD}\n`)
  const login = ['--username', POSTGRES_USER, '--pwfile', passwordFile, '--auth', 'scram-sha-256']
  const initdb = await postgresProgram('initdb', program)
  await runAsPostgres(initdb, ['-D', data, ...login, '--encoding', 'UTF8', '--no-sync'])
}

/** The other programs lie beside `postgres`. */
async function postgresProgram(
  name: string,
  beside: NonNullable<PostgresProcessOptions['program']> = 'postgres',
): Promise<string> {
  return join(dirname(await realpath(await ensureInstalled(beside))), name)
}

/** The command as the user that PostgreSQL's package brings, where this process is root: PostgreSQL refuses to run as root. The process keeps its number. */
export function asPostgres(...command: readonly string[]): readonly string[] {
  if (process.getuid?.() !== 0) return command
  return ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups', '--', ...command]
}

/** Makes that user the owner of a folder. */
export async function giveAway(folder: string): Promise<void> {
  if (process.getuid?.() !== 0) return
  const { stdout } = await promisify(execFile)('id', ['-u', 'postgres'])
  await chown(folder, Number(stdout), -1)
}

function configurationFile(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('')
}

/** After a kill the server's other processes need a moment to notice; until they are gone a new one refuses to start. */
async function startAgain(start: () => Promise<ServerProcess>): Promise<ServerProcess> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await start()
    } catch (error) {
      if (tries >= 100 || !/still in use|Is another postmaster|in use/.test(String(error))) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
