import { MillraceError, type Runtime } from '@millrace/core/driver'
import type * as NodeRedis from 'redis'
import type { Settings } from '../settings.ts'
import { ioredisLink } from './ioredis-link.ts'
import type { RedisClient, RedisLink } from './link.ts'
import { givenNodeRedisLink, ownNodeRedisLink } from './node-redis-link.ts'
import { readUrl } from './read-url.ts'
import { createSentinelErrors } from './sentinel-error.ts'

const LONGEST_PAUSE_MS = 2_000
/** The library's own time limit, which makes a timer and a signal for each command: `Deadlines` has one timer for all. */
const COMMAND_OPTIONS = { timeout: 0 }

/** The link that the settings name, not connected yet. Throws `engine_url_invalid`, `config_invalid`. */
export async function openLink(settings: Settings, runtime: Runtime): Promise<RedisLink> {
  return settings.client === undefined ? ownLink(settings, runtime) : givenLink(settings.client)
}

async function ownLink(settings: Settings, runtime: Runtime): Promise<RedisLink> {
  const { url = '', connectTimeoutMs, tls } = settings
  const place = readUrl(url)
  const library = await loadLibrary()
  const options = (keepTrying: () => boolean) => ({
    RESP: 2 as const,
    disableOfflineQueue: true,
    disableClientInfo: true,
    commandOptions: COMMAND_OPTIONS,
    ...place.credentials,
    socket: {
      connectTimeout: connectTimeoutMs,
      ...(place.tls ? { tls: true as const, ...tls } : {}),
      // Full jitter over a doubling bound, so that many clients of a restarted server do not come at once.
      reconnectStrategy: (retries: number, cause: Error) => (keepTrying() ? pauseMs(retries) : cause),
    },
  })
  const pauseMs = (retries: number): number =>
    Math.round(runtime.random() * Math.min(LONGEST_PAUSE_MS, 50 * 2 ** retries))
  const pause = (retries: number): Promise<void> =>
    new Promise((resolve) => void runtime.setTimer(resolve, pauseMs(retries)))
  if (place.kind === 'cluster') {
    return ownNodeRedisLink({
      clustered: true,
      keepsOrder: false,
      pause,
      make: (keepTrying) =>
        library.createCluster({
          rootNodes: place.nodes.map(({ host, port }) => ({ socket: { host, port } })),
          defaults: options(keepTrying),
          commandOptions: COMMAND_OPTIONS,
        }),
      opened: ({ masters, replicas, pubSubNode }) =>
        Promise.allSettled([...masters, ...replicas, pubSubNode].map(async (node) => node?.connectPromise)),
      send: (client, args, key) => client.sendCommand(key, false, [...args]),
    })
  }
  if (place.kind === 'sentinel') {
    return ownNodeRedisLink({
      clustered: false,
      keepsOrder: false,
      pause,
      explain: createSentinelErrors(place),
      make: (keepTrying) =>
        library.createSentinel({
          name: place.master,
          sentinelRootNodes: [...place.nodes],
          nodeClientOptions: options(keepTrying),
          commandOptions: COMMAND_OPTIONS,
          RESP: 2,
        }),
      send: (client, args) => client.sendCommand(false, [...args]),
    })
  }
  return ownNodeRedisLink({
    clustered: false,
    keepsOrder: true,
    make(keepTrying) {
      const given = options(keepTrying)
      const [node] = place.nodes
      return library.createClient({ ...given, database: place.database, socket: { ...given.socket, ...node } })
    },
    send: (client, args) => client.sendCommand(args),
  })
}

/** Client libraries are told apart by what they have. */
function givenLink(client: RedisClient): RedisLink {
  if ('call' in client && 'status' in client) return ioredisLink(client)
  if (!('sendCommand' in client)) throw notAClient()
  const send = client.sendCommand.bind(client) as (...given: unknown[]) => Promise<unknown>
  if ('slots' in client) {
    return givenNodeRedisLink(client, {
      clustered: true,
      keepsOrder: false,
      send: (_, args, key) => send(key, false, [...args]),
    })
  }
  if ('getMasterNode' in client) {
    return givenNodeRedisLink(client, {
      clustered: false,
      keepsOrder: false,
      send: (_, args) => send(false, [...args]),
    })
  }
  return givenNodeRedisLink(client, { clustered: false, keepsOrder: true, send: (_, args) => send(args) })
}

function notAClient(): MillraceError {
  return new MillraceError(
    'config_invalid',
    'redis({ client }) takes a client of the packages redis (createClient, createCluster, createSentinel) or ioredis (Redis, Cluster).',
    { path: 'client' },
  )
}

async function loadLibrary(): Promise<typeof NodeRedis> {
  try {
    return await import('redis')
  } catch (cause) {
    throw new MillraceError(
      'config_invalid',
      'The package "redis" is missing; it is the client that @millrace/redis connects with. Install it: npm install redis',
      { cause },
    )
  }
}
