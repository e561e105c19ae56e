import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createDataFolder, removeDataFolder } from './data-folder.ts'
import type { EngineServer } from './engine-server.ts'
import { onFreePort } from './free-port.ts'
import { ensureInstalled, versionOf } from './installed.ts'
import { ownServer } from './own-server.ts'
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
    const place = { url: `redis://127.0.0.1:${port}`, port, folder, version: await versionOf(file) }
    return ownServer(place, { name: 'Redis', server, folder, endBy: 'SIGTERM', start })
  } catch (error) {
    await removeDataFolder(folder)
    throw error
  }
}

function basics(port: number, folder: string): Record<string, string> {
  return { port: String(port), bind: '127.0.0.1', dir: folder, save: '""' }
}

function configurationFile(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('')
}
