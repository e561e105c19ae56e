import { startRedis } from 'engines'
import { Redis } from 'ioredis'
import type { BenchEngine, CountingServer, Peer, Place } from '../engine.ts'
import { withVersion } from '../installed-version.ts'

/** Redis with an append-only file that is synced every second; `given` is the URL of a server that is there, whose database must be empty. */
export async function redisEngine(given?: string): Promise<BenchEngine> {
  const { place, about, stop } = await redisPlace(given)
  return {
    name: 'redis',
    about,
    place,
    limit: {
      contender: 'bare-redis',
      about: 'node-redis: single XADDs that it pipelines itself; XREADGROUP 500, JSON.parse, one XACK a read',
    },
    peers: [bullmqOn({ contender: 'bullmq', name: withVersion('bullmq') })],
    publish: { count: 200_000, inFlight: 500 },
    large: { backlog: 1_000_000, runs: 1 },
    startCounting,
    stop,
  }
}

/** A Redis for the engine itself, or for a peer of another engine. */
export async function redisPlace(
  given?: string,
): Promise<{ readonly place: Place; readonly about: string; stop(): Promise<void> }> {
  const own = given === undefined ? await startRedis({ appendfsync: 'everysec', own: true }) : undefined
  const url = own?.url ?? given ?? ''
  const admin = new Redis(url)
  if (own === undefined && (await admin.dbsize()) > 0) {
    admin.disconnect()
    throw new Error(
      'The database of that Redis holds keys, and the benchmark empties it; give it an empty one (redis://host/9).',
    )
  }
  return {
    place: { url, reset: () => empty(admin), calm: () => calm(admin) },
    about: await describe(admin),
    async stop() {
      await admin.flushdb()
      admin.disconnect()
      await own?.stop()
    },
  }
}

/** BullMQ in the form that its guide gives for speed. */
export function bullmqOn(rest: Pick<Peer, 'contender' | 'name'> & Partial<Peer>): Peer {
  return {
    about: 'concurrency 100, removeOnComplete, 500 adds in flight, addBulk by 1,000',
    scenarios: {
      publish: 0.25,
      'publish-batch': 0.25,
      consume: 0.25,
      roundtrip: 0.25,
      latency: 1,
      idle: 1,
      'tasks-enqueue': 0.25,
      'tasks-enqueue-batch': 0.25,
      'tasks-process': 0.25,
      'tasks-latency': 1,
    },
    ...rest,
  }
}

/** The append-only file is written anew, so that no measurement pays for what the one before has left. */
async function empty(admin: Redis): Promise<void> {
  await admin.flushdb()
  await rewrite(admin)
}

/** The rewrite of the append-only file that so much growth brings about, and the snapshot that so many changes do. */
async function calm(admin: Redis): Promise<string> {
  await rewrite(admin)
  return 'a rewrite of the append-only file'
}

async function rewrite(admin: Redis): Promise<void> {
  if (!/aof_enabled:1/.test(await admin.info('persistence'))) return
  await childDone(admin)
  // Redis may begin one of its own in between, which is as good.
  await admin.bgrewriteaof().catch(() => undefined)
  await childDone(admin)
}

async function childDone(admin: Redis): Promise<void> {
  for (;;) {
    const state = await admin.info('persistence')
    const quiet = ['aof_rewrite_in_progress:0', 'aof_rewrite_scheduled:0', 'rdb_bgsave_in_progress:0']
    if (quiet.every((line) => state.includes(line))) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function describe(admin: Redis): Promise<string> {
  const version = /^redis_version:(\S+)/m.exec(await admin.info('server'))?.[1] ?? 'unknown'
  const [, appendonly] = (await admin.config('GET', 'appendonly')) as readonly string[]
  const [, appendfsync] = (await admin.config('GET', 'appendfsync')) as readonly string[]
  return `Redis ${version}, ${appendonly === 'yes' ? `AOF ${appendfsync ?? ''}` : 'no AOF'}`
}

async function startCounting(): Promise<CountingServer> {
  const server = await startRedis({ own: true })
  return { url: server.url, stop: () => server.stop() }
}
