import { type Capabilities, isMillraceError, MillraceError, type Runtime } from '@millrace/core/driver'
import { closedError, type Connection, createConnection } from '../client/connection.ts'
import type { RedisLink } from '../client/link.ts'
import { openLink } from '../client/open-link.ts'
import { capabilitiesOf, type Probe, probe } from '../client/probe.ts'
import { redisError } from '../client/redis-error.ts'
import { startHeartbeats } from '../groups/heartbeat-link.ts'
import type { Heartbeats } from '../groups/heartbeats.ts'
import { createLogWriter, type LogWriter } from '../log/publishing.ts'
import { createRegistry, type Registry } from '../log/registry.ts'
import { createRecovery } from '../log/recovery.ts'
import { createSweeper, type Sweeper } from '../log/sweeper.ts'
import type { Settings } from '../settings.ts'
import { hearAnnouncements } from './announcements.ts'
import { hearTaskChanges, type TaskChanges } from '../tasks/task-changes.ts'
import type { TopicChanges } from './topic-changes.ts'

/** Everything of an engine that is open. */
export interface Session {
  readonly redis: Connection
  readonly registry: Registry
  readonly changes: TopicChanges
  readonly taskChanges: TaskChanges
  readonly heartbeats: Heartbeats
  readonly log: LogWriter
  readonly sweeper: Sweeper
  readonly capabilities: Capabilities
  readonly probed: Probe
  /** Fires when closing begins. */
  readonly ended: AbortSignal
}

/** The life of a session. */
export interface Lifecycle {
  /** Idempotent. Throws `engine_*`, `config_invalid`, and `closed` after `close`. */
  connect(): Promise<void>
  /** Idempotent, safe before `connect`. */
  close(): Promise<void>
  /** The open session. Throws `closed`. */
  current(): Session
}

export function createLifecycle(settings: Settings, runtime: Runtime, where: string): Lifecycle {
  let opening: Promise<Session & { close(): Promise<void> }> | undefined
  let open: Session | undefined
  let closing: Promise<void> | undefined

  async function shut(): Promise<void> {
    const session = await opening?.catch(() => undefined)
    await session?.close()
  }

  return {
    async connect() {
      if (closing !== undefined) throw closedError(where)
      opening ??= openSession(settings, runtime, where)
      try {
        open = await opening
      } catch (error) {
        opening = undefined
        throw error
      }
    },
    close: () => (closing ??= shut()),
    current() {
      if (open === undefined || closing !== undefined) throw closedError(where)
      return open
    },
  }
}

async function openSession(
  settings: Settings,
  runtime: Runtime,
  where: string,
): Promise<Session & { close(): Promise<void> }> {
  const link = await openLink(settings, runtime)
  const subscriber = link.subscriber()
  const ended = new AbortController()
  const redis = createConnection(link, { settings, runtime, where })
  try {
    await connectWithin(link, redis)
    const probed = await probe(redis)
    await connectWithin(subscriber, redis)
    const registry = createRegistry(redis)
    const recovery = createRecovery(redis, registry)
    await recovery.begin()
    const changes = hearAnnouncements(subscriber, { redis, registry, recovery, ended: ended.signal })
    const taskChanges = hearTaskChanges(subscriber, redis, ended.signal)
    const sweeper = createSweeper(redis, registry)
    const heartbeats = startHeartbeats(redis)
    return {
      redis,
      registry,
      changes,
      taskChanges,
      heartbeats,
      log: createLogWriter({ redis, registry, onLimited: sweeper.hint, onMissing: recovery.look }),
      sweeper,
      capabilities: capabilitiesOf(probed, settings),
      probed,
      ended: ended.signal,
      async close() {
        ended.abort()
        heartbeats.stopAll()
        await sweeper.stop()
        await redis.close()
        await subscriber.close()
      },
    }
  } catch (error) {
    await redis.close().catch(() => undefined)
    await subscriber.close().catch(() => undefined)
    throw error
  }
}

async function connectWithin(link: RedisLink, redis: Connection): Promise<void> {
  const { runtime, settings, where } = redis
  const late = Promise.withResolvers<never>()
  const timer = runtime.setTimer(
    () =>
      late.reject(
        redis.trouble ??
          new MillraceError('engine_unreachable', `${where} has not answered for ${settings.connectTimeoutMs} ms.`, {
            retriable: true,
          }),
      ),
    settings.connectTimeoutMs,
  )
  try {
    await Promise.race([link.connect(), late.promise])
  } catch (error) {
    throw isMillraceError(error) ? error : redisError(error, where)
  } finally {
    timer.cancel()
  }
}
