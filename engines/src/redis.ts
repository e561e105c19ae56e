import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { foreignServer } from './engine-server.ts'
import type { EngineServer } from './engine-server.ts'
import { freePort } from './free-port.ts'
import { ensureInstalled } from './installed.ts'
import { startServerProcess } from './server-process.ts'
import type { ServerProcess } from './server-process.ts'

/** Options of `startRedis`. */
export interface RedisOptions {
  /** When the append-only file is synced: what a durability level rests on. Default `everysec`, as Redis itself. */
  readonly appendfsync?: 'everysec' | 'always' | 'no'
  /** Default: a free one. */
  readonly port?: number
}

/**
 * Starts a Redis of its own: loopback only, a temporary folder, an append-only file. With `MILLRACE_TEST_REDIS_URL` set it gives that server instead,
 * which can be neither killed nor restarted.
 */
export async function startRedis(options: RedisOptions = {}): Promise<EngineServer> {
  const given = process.env['MILLRACE_TEST_REDIS_URL']
  if (given !== undefined && given !== '') return foreignServer(given, await redisVersion(given))
  const file = await ensureInstalled('redis-server')
  const folder = await mkdtemp(join(tmpdir(), 'millrace-redis-'))
  const start = (port: number): Promise<ServerProcess> =>
    startServerProcess({ file, args: settings(options, port, folder), ready: /Ready to accept connections/, folder })
  const { server, port } = await startOnPort(start, options.port).catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true })
    throw error
  })
  const url = `redis://127.0.0.1:${port}`
  return ownServer({ url, version: await redisVersion(url), folder, server, start: () => start(port) })
}

function settings(options: RedisOptions, port: number, folder: string): string[] {
  const values = {
    port: String(port),
    bind: '127.0.0.1',
    dir: folder,
    save: '',
    appendonly: 'yes',
    appendfsync: options.appendfsync ?? 'everysec',
  }
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, value])
}

/** Between finding a free port and taking it somebody else may have it; another is tried then. */
async function startOnPort(
  start: (port: number) => Promise<ServerProcess>,
  wanted: number | undefined,
  tries = 5,
): Promise<{ readonly server: ServerProcess; readonly port: number }> {
  const port = wanted ?? (await freePort())
  try {
    return { server: await start(port), port }
  } catch (error) {
    if (wanted !== undefined || tries <= 1 || !String(error).includes('in use')) throw error
    return startOnPort(start, undefined, tries - 1)
  }
}

interface OwnServer {
  readonly url: string
  readonly version: string
  readonly folder: string
  readonly server: ServerProcess
  readonly start: () => Promise<ServerProcess>
}

function ownServer({ url, version, folder, server, start }: OwnServer): EngineServer {
  let current = server
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= current.end('SIGTERM').then(() => rm(folder, { recursive: true, force: true }))
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
      if (stopped !== undefined) throw new Error('The Redis server was stopped for good; start another one.')
      if (current.running) await current.end('SIGTERM')
      current = await start()
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function redisVersion(url: string): Promise<string> {
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1, retryStrategy: () => null })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const said = /^redis_version:(\S+)/m.exec(await client.info('server'))?.[1]
    return said ?? 'unknown'
  } finally {
    client.disconnect()
  }
}
