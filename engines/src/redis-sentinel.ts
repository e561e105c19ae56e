import type { EngineServer } from './engine-server.ts'
import { askRedis } from './redis-client.ts'
import { startRedisProcess } from './redis-process.ts'
import type { RedisProcess } from './redis-process.ts'
import { until } from './until.ts'

/** Options of `startRedisSentinel`. */
export interface RedisSentinelOptions {
  /** Copies beside the primary. Default 1. */
  readonly replicas?: number
  /** More than half of them must agree to promote a replica. Default 1. */
  readonly sentinels?: number
  readonly appendfsync?: 'everysec' | 'always' | 'no'
  /** Milliseconds of silence after which a sentinel takes the primary for dead. Default 1,000. */
  readonly downAfterMs?: number
  /** Further directives of the data servers. */
  readonly settings?: Readonly<Record<string, string>>
}

/** A primary with asynchronous replicas, and sentinels that promote one of them when the primary is gone. */
export interface RedisSentinel {
  /** `redis+sentinel://127.0.0.1:port,.../name` */
  readonly url: string
  readonly version: string
  /** The name under which the sentinels watch the primary. */
  readonly name: string
  readonly sentinels: readonly EngineServer[]
  /** The data servers, whatever their roles are at the moment. */
  readonly nodes: readonly EngineServer[]
  /** The data server that the sentinels name now. */
  primary(): Promise<EngineServer>
  /** Waits until the sentinels name another primary than `old`, and it takes writes. */
  promoted(old: EngineServer): Promise<EngineServer>
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const NAME = 'millrace'

/** Starts the servers and settles when each replica is in step and each sentinel knows all of the others. */
export async function startRedisSentinel(options: RedisSentinelOptions = {}): Promise<RedisSentinel> {
  const { replicas = 1, sentinels: watchers = 1, appendfsync = 'everysec', downAfterMs = 1_000 } = options
  const nodes: RedisProcess[] = []
  const sentinels: RedisProcess[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(sentinels.map((each) => each.stop()))
    await Promise.all(nodes.map((each) => each.stop()))
  }
  try {
    const data = { appendonly: 'yes', appendfsync, 'repl-diskless-sync-delay': '0', ...options.settings }
    for (let index = 0; index <= replicas; index += 1) {
      const primary = nodes[0]
      const follows = primary === undefined ? {} : { replicaof: `127.0.0.1 ${primary.port}` }
      nodes.push(await startRedisProcess({ name: 'redis', settings: () => ({ ...data, ...follows }) }))
    }
    const quorum = Math.floor(watchers / 2) + 1
    const watched = {
      'sentinel monitor': `${NAME} 127.0.0.1 ${nodes[0]?.port} ${quorum}`,
      'sentinel down-after-milliseconds': `${NAME} ${downAfterMs}`,
      'sentinel failover-timeout': `${NAME} 5000`,
    }
    for (let index = 0; index < watchers; index += 1) {
      sentinels.push(await startRedisProcess({ name: 'sentinel', sentinel: true, settings: () => watched }))
    }
    for (const { url } of sentinels)
      await until('the sentinels know everybody', () => knowsAll(url, watchers, replicas))
    for (const { url } of nodes.slice(1)) await until('the replicas are in step', () => isInStep(url))
  } catch (error) {
    await stop()
    throw error
  }
  const primary = async (): Promise<EngineServer> => {
    for (const sentinel of sentinels) {
      if (sentinel.pid === undefined) continue
      const [, port] = (await askRedis(sentinel.url, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)) as string[]
      const named = nodes.find((node) => node.port === Number(port))
      if (named !== undefined) return named
    }
    throw new Error('No sentinel names a primary.')
  }
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${NAME}`,
    version: nodes[0]?.version ?? 'unknown',
    name: NAME,
    sentinels,
    nodes,
    primary,
    async promoted(old) {
      let now = old
      await until('another primary takes writes', async () => {
        now = await primary()
        const [role] = (await askRedis(now.url, 'ROLE')) as string[]
        return now.url !== old.url && role === 'master'
      })
      return now
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function knowsAll(url: string, sentinels: number, replicas: number): Promise<boolean> {
  const told = (await askRedis(url, 'SENTINEL', 'MASTER', NAME)) as string[]
  const valueOf = (field: string): number => Number(told[told.indexOf(field) + 1])
  return valueOf('num-slaves') === replicas && valueOf('num-other-sentinels') === sentinels - 1
}

async function isInStep(url: string): Promise<boolean> {
  return String(await askRedis(url, 'INFO', 'replication')).includes('master_link_status:up')
}
