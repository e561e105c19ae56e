import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createDataFolder, removeDataFolder } from './data-folder.ts'
import type { EngineServer } from './engine-server.ts'
import { freePort } from './free-port.ts'
import { ensureInstalled } from './installed.ts'
import { startServerProcess } from './server-process.ts'
import type { ServerProcess } from './server-process.ts'

/** What a redis-server process is started with. */
export interface RedisProcessOptions {
  /** Part of the folder's name, such as `redis` or `sentinel`. */
  readonly name: string
  /** Directives of redis.conf by their names, for the port that it got. A value may hold several words. */
  readonly settings: (port: number) => Readonly<Record<string, string>>
  /** Default: a free one. */
  readonly port?: number | undefined
  /** Where its data folder is made. Default: the system's temporary folder. */
  readonly inside?: string | undefined
  /** Default: Redis. Valkey is another server that speaks the same protocol. */
  readonly program?: 'redis-server' | 'valkey-server' | undefined
  /** Runs as a sentinel, which writes what it learns into its configuration file. */
  readonly sentinel?: boolean
}

/** A redis-server with its place. */
export interface RedisProcess extends EngineServer {
  readonly port: number
  readonly folder: string
}

/** Starts redis-server on the loopback interface with a data folder of its own. */
export async function startRedisProcess(options: RedisProcessOptions): Promise<RedisProcess> {
  const file = await ensureInstalled(options.program ?? 'redis-server')
  const folder = await createDataFolder(options.name, options.inside)
  const configuration = join(folder, 'redis.conf')
  const args = [configuration, ...(options.sentinel === true ? ['--sentinel'] : [])]
  const ready = options.sentinel === true ? /Sentinel ID is/ : /Ready to accept connections/
  const start = (): Promise<ServerProcess> => startServerProcess({ file, args, ready, folder })
  const configure = async (port: number): Promise<ServerProcess> => {
    await writeFile(configuration, configurationFile({ ...basics(port, folder), ...options.settings(port) }))
    return start()
  }
  try {
    const { server, port } = await onFreePort(configure, options.port)
    return ownServer({ port, version: await versionOf(file), folder, server, start })
  } catch (error) {
    await removeDataFolder(folder)
    throw error
  }
}

/** Asks the program, as the server may want a password or TLS. */
async function versionOf(file: string): Promise<string> {
  const { stdout } = await promisify(execFile)(file, ['--version'])
  return /v=(\S+)/.exec(stdout)?.[1] ?? 'unknown'
}

function basics(port: number, folder: string): Record<string, string> {
  return { port: String(port), bind: '127.0.0.1', dir: folder, save: '""' }
}

function configurationFile(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('')
}

/** Between finding a free port and taking it somebody else may have it; another is tried then. */
async function onFreePort(
  start: (port: number) => Promise<ServerProcess>,
  wanted: number | undefined,
  tries = 5,
): Promise<{ readonly server: ServerProcess; readonly port: number }> {
  const port = wanted ?? (await freePort())
  try {
    return { server: await start(port), port }
  } catch (error) {
    if (wanted !== undefined || tries <= 1 || !String(error).includes('in use')) throw error
    return onFreePort(start, undefined, tries - 1)
  }
}

interface OwnServer {
  readonly port: number
  readonly version: string
  readonly folder: string
  readonly server: ServerProcess
  readonly start: () => Promise<ServerProcess>
}

function ownServer({ port, version, folder, server, start }: OwnServer): RedisProcess {
  let current = server
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= current.end('SIGTERM').then(() => removeDataFolder(folder))
    return stopped
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    folder,
    version,
    get pid() {
      return current.running ? current.pid : undefined
    },
    kill: () => current.end('SIGKILL'),
    async restart() {
      if (stopped !== undefined) throw new Error('The Redis server was stopped for good; start another one.')
      if (current.running) await current.end('SIGTERM')
      current = await start()
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
