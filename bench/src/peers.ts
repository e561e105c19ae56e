import { startRedis } from 'engines'
import { Redis } from 'ioredis'
import { createRequire } from 'node:module'
import type { Peer } from './versus.ts'

const require = createRequire(import.meta.url)

/** Starts what the peers need; `stop` ends it. */
export async function startPeers(): Promise<{ readonly peers: readonly Peer[]; stop(): Promise<void> }> {
  const redis = await startRedis({ appendfsync: 'everysec' })
  const admin = new Redis(redis.url)
  const bullmq: Peer = {
    contender: 'bullmq',
    name: `bullmq@${versionOf('bullmq')}`,
    url: redis.url,
    reset: async () => void (await admin.flushall()),
    note: `bullmq on Redis ${redis.version}, AOF everysec (os-cache)`,
  }
  const plainjob: Peer = {
    contender: 'plainjob',
    name: `plainjob@${versionOf('plainjob')}`,
    note: 'plainjob with synchronous = NORMAL (os-cache)',
  }
  return {
    peers: [bullmq, plainjob],
    async stop() {
      admin.disconnect()
      await redis.stop()
    },
  }
}

function versionOf(name: string): string {
  return (require(`${name}/package.json`) as { readonly version: string }).version
}
