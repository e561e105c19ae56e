import { MillraceError } from '@millrace/core/driver'
import type * as NodeRedis from 'redis'
import { script, type Script } from './script.ts'

/** A client of the package `redis` or `ioredis` that the caller has made, and closes. */
export type RedisClient = NodeRedisClient | IoredisClient

interface NodeRedisClient {
  sendCommand(args: string[]): Promise<unknown>
}

interface IoredisClient {
  call(command: string, ...args: string[]): Promise<unknown>
}

/** Sends commands to the server of the queue. */
export interface Commands {
  /** Throws `engine_*`. */
  call(...args: readonly string[]): Promise<unknown>
  /** A command that reads pairs, such as HGETALL, flat as RESP2 gives them, whatever protocol the client speaks. */
  pairs(command: string, key: string, ...args: readonly string[]): Promise<readonly string[]>
  /** Runs a script; the first key decides the server of a cluster. */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>
  /** Closes a connection of its own. */
  close(): Promise<void>
}

/** Connects by URL, or uses a client that is connected. Throws `engine_url_invalid`, `engine_unreachable`, `config_invalid`. */
export async function connect(redis: string | RedisClient): Promise<Commands> {
  if (typeof redis !== 'string') return commands(senderOf(redis), async () => undefined)
  const library = await loadLibrary()
  const client = clientOf(library, redis)
  // Failures reach the calls; without a listener they would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (error) {
    client.destroy()
    throw failure(error)
  }
  return commands(
    (args) => client.sendCommand(args),
    // After a loss it is closed already, and says so: what failed before is what matters.
    () => client.close().catch(() => undefined),
  )
}

/** What a script gets is RESP2. */
const PAIRS: Script = script(`return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))`)

type Send = (args: string[]) => Promise<unknown>

function commands(send: Send, close: () => Promise<unknown>): Commands {
  async function call(...args: readonly string[]): Promise<unknown> {
    try {
      return await send([...args])
    } catch (error) {
      throw failure(error)
    }
  }
  async function run({ source, sha }: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args]
    try {
      return await send(['EVALSHA', sha, ...rest])
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw failure(error)
    }
    return call('EVAL', source, ...rest)
  }
  return {
    call,
    run,
    pairs: async (command, key, ...args) => (await run(PAIRS, [key], [command, ...args])) as readonly string[],
    close: async () => void (await close()),
  }
}

function senderOf(client: RedisClient): Send {
  // A client of ioredis has both, and its sendCommand takes something else.
  if ('call' in client) return ([command = '', ...args]) => client.call(command, ...args)
  // A cluster of node-redis wants the key of each command beside it; BullMQ speaks to clusters through ioredis as well.
  if ('sendCommand' in client && !('slots' in client)) return (args) => client.sendCommand(args)
  throw new MillraceError(
    'config_invalid',
    'A queue of BullMQ is read through a URL, or through a connected client: createClient of the package redis, Redis or Cluster of ioredis.',
    { path: 'redis' },
  )
}

function clientOf(library: typeof NodeRedis, url: string): ReturnType<typeof NodeRedis.createClient> {
  if (!/^rediss?:\/\//i.test(url)) throw badUrl()
  try {
    return library.createClient({
      url,
      RESP: 2,
      // A bridge that cannot go on stops: it is run again, and begins with what it holds.
      socket: { connectTimeout: 10_000, reconnectStrategy: (_, cause) => cause },
    }) as ReturnType<typeof NodeRedis.createClient>
  } catch {
    // What the library says may hold the password.
    throw badUrl()
  }
}

function badUrl(): MillraceError {
  return new MillraceError(
    'engine_url_invalid',
    'This is not the URL of the Redis of a BullMQ queue. Write redis://user:password@host:6379/0, or rediss://… for TLS (/ ? # and @ of a password as %2F %3F %23 %40).',
  )
}

async function loadLibrary(): Promise<typeof NodeRedis> {
  try {
    return await import('redis')
  } catch (cause) {
    throw new MillraceError(
      'config_invalid',
      'The package "redis" is missing; it is the client that @millrace/bullmq reads queues with. Install it: npm install redis',
      { cause },
    )
  }
}

/** The typed error; the arguments that clients add to theirs, which may be the data of jobs, are left out. */
function failure(error: unknown): MillraceError {
  const text = error instanceof Error ? error.message.slice(0, 200) : 'the connection was lost'
  if (/^(?:WRONGPASS|NOAUTH|NOPERM)/.test(text)) {
    return new MillraceError('engine_permission', `The Redis of the BullMQ queue refuses access: ${text}`)
  }
  if (/^(?:OOM|MISCONF|READONLY|LOADING|BUSY|NOREPLICAS)/.test(text)) {
    return new MillraceError('engine_busy', `The Redis of the BullMQ queue takes no writes now: ${text}`, {
      retriable: true,
    })
  }
  const isReply = error instanceof Error && /ErrorReply|SimpleError|ReplyError/.test(error.constructor.name)
  if (isReply) return new MillraceError('internal', `The Redis of the BullMQ queue answered with an error: ${text}`)
  return new MillraceError('engine_unreachable', `The Redis of the BullMQ queue cannot be reached: ${text}`, {
    retriable: true,
  })
}
