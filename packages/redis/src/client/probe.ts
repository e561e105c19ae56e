import { type Capabilities, type Durability, MillraceError } from '@millrace/core/driver'
import type { Settings } from '../settings.ts'
import type { Connection } from './connection.ts'

/** What a server said of itself. */
export interface Probe {
  /** Of the protocol: what a Redis of this number can do. */
  readonly redisVersion: string
  readonly product: 'redis' | 'valkey'
  readonly productVersion: string
  readonly policy: string
  readonly role: string
  readonly aof: boolean
  /** Undefined when the user may not ask. */
  readonly appendfsync: string | undefined
  /** Whether syncing stops while the append-only file is rewritten. */
  readonly pausesSync: boolean
  readonly replicas: number
  readonly usedMemory: number
  readonly maxMemory: number
  readonly durability: Durability
}

const OLDEST_MAJOR = 7

/** Asks the server, and refuses one that would lose events silently. Throws `engine_version`, `config_invalid`, `durability_too_low`. */
export async function probe(redis: Connection): Promise<Probe> {
  const info = parseInfo(String(await redis.call(['INFO'], redis.keys.topics)))
  const aof = info.get('aof_enabled') === '1'
  const config = aof ? await askConfig(redis) : new Map<string, string>()
  const appendfsync = config.get('appendfsync')
  const isValkey = info.has('valkey_version')
  const replicas = Number(info.get('connected_slaves') ?? 0)
  const found: Probe = {
    redisVersion: info.get('redis_version') ?? '0',
    product: isValkey ? 'valkey' : 'redis',
    productVersion: (isValkey ? info.get('valkey_version') : info.get('redis_version')) ?? 'unknown',
    policy: info.get('maxmemory_policy') ?? 'noeviction',
    role: info.get('role') ?? 'master',
    aof,
    appendfsync,
    pausesSync: config.get('no-appendfsync-on-rewrite') === 'yes',
    replicas,
    usedMemory: Number(info.get('used_memory') ?? 0),
    maxMemory: Number(info.get('maxmemory') ?? 0),
    durability: durabilityOf({ aof, appendfsync, pausesSync: config.get('no-appendfsync-on-rewrite') === 'yes' }),
  }
  check(found, redis.settings, redis.where)
  return found
}

/** What the driver can do on this server. */
export function capabilitiesOf(
  { durability, productVersion }: Probe,
  { maxBytes, waitReplicas }: Settings,
): Capabilities {
  return {
    engine: 'redis',
    engineVersion: productVersion,
    durability: waitReplicas > 0 ? 'replicated-memory' : durability,
    order: { level: 'native' },
    assignment: { level: 'emulated' },
    fencing: { level: 'emulated' },
    dedupe: { level: 'emulated', bounds: { scope: 'partition', windowMs: 0, maxIds: 0 } },
    read: { level: 'native' },
    lag: { level: 'native' },
    processes: { level: 'native' },
    size: { level: 'native', bounds: { maxBytes } },
    smallBatches: durability !== 'fsync' && waitReplicas === 0,
  }
}

/** The weakest that the settings allow; what cannot be asked is not assumed. */
function durabilityOf({
  aof,
  appendfsync,
  pausesSync,
}: {
  readonly aof: boolean
  readonly appendfsync: string | undefined
  readonly pausesSync: boolean
}): Durability {
  if (!aof) return 'memory'
  return appendfsync === 'always' && !pausesSync ? 'fsync' : 'os-cache'
}

function check({ redisVersion, policy, replicas }: Probe, { waitReplicas }: Settings, where: string): void {
  if (!(Number.parseInt(redisVersion, 10) >= OLDEST_MAJOR)) {
    throw new MillraceError(
      'engine_version',
      `${where} is a Redis ${redisVersion}; 7.0 or newer is needed (every Valkey will do). Update the server.`,
      { facts: { version: redisVersion } },
    )
  }
  if (policy !== 'noeviction') {
    throw new MillraceError(
      'config_invalid',
      `${where} evicts keys when its memory is full (maxmemory-policy ${policy}), which would lose events without a word. Set it: CONFIG SET maxmemory-policy noeviction.`,
      { facts: { policy } },
    )
  }
  if (waitReplicas > replicas) {
    throw new MillraceError(
      'durability_too_low',
      `${where} has ${replicas} replicas connected, and waitReplicas asks for ${waitReplicas}.`,
      { facts: { replicas, waitReplicas } },
    )
  }
}

/** A user of an ACL often may not: then the append-only file counts as synced by the second. */
async function askConfig(redis: Connection): Promise<Map<string, string>> {
  const values = new Map<string, string>()
  for (const name of ['appendfsync', 'no-appendfsync-on-rewrite']) {
    try {
      const reply = await redis.call(['CONFIG', 'GET', name], redis.keys.topics)
      const [value] = Array.isArray(reply) ? reply.slice(1) : Object.values(reply as object)
      if (typeof value === 'string') values.set(name, value)
    } catch (error) {
      if (!(error instanceof MillraceError) || !['engine_permission', 'engine_version'].includes(error.code))
        throw error
    }
  }
  return values
}

/** `INFO` as a map. */
export function parseInfo(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(/^([a-z0-9_]+):(.*?)\r?$/gim)].map(([, name = '', value = '']) => [name, value] as const),
  )
}
