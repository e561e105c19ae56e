import { join } from 'node:path'
import { MillraceError, systemRuntime, type Millrace, type Runtime, type Subscription } from '@millrace/core'
import { ANALYTICS_EVENTS } from './events.ts'
import { dailyVisitorHash } from './ingest/daily-salt.ts'
import { subscribeRejected } from './ingest/subscribe-rejected.ts'
import { subscribeCrawlers } from './read-models/crawlers.ts'
import { openDatabase, type Database } from './read-models/database.ts'
import { createGroupCommit } from './read-models/group-commit.ts'
import { createOutbox } from './read-models/outbox.ts'
import { deleteOld } from './read-models/retention.ts'
import { subscribeTraffic } from './read-models/traffic.ts'
import { subscribeSessions, type Sessions } from './sessions/sessions.ts'
import { createTrafficGenerator } from './traffic/generator.ts'
import { APP_PATH, endpointRoutes, pageRoutes, type Connection, type WebServices } from './web/routes.ts'

/** What a process of the application does: take in and show, handle events, or both. */
export type Role = 'web' | 'worker' | 'all'

export interface SiteAnalyticsOptions {
  readonly millrace: Millrace
  /** The folder of the application's own file (`site-analytics.db`) and of its salts; shared by all of its processes. */
  readonly dataDir: string
  readonly runtime?: Runtime
  /** Default `all`. */
  readonly role?: Role
  /** The address that the server answers at, such as `http://127.0.0.1:4400`; without it there is no generated traffic. */
  readonly origin?: () => string
  /** Failures that no request can hear of. Default: the runtime's log. */
  readonly onError?: (error: unknown) => void
}

/** Something that a server serves under a path, which `fetch` does not see. */
export interface SiteAnalyticsMount {
  readonly path: string
  readonly name: string
  readonly description: string
  readonly fetch: (request: Request, connection?: Connection) => Promise<Response>
}

/** The application, ready to be mounted. */
export interface SiteAnalytics extends SiteAnalyticsMount {
  /** All that is to be mounted: the application itself and its endpoint `/api/analytics/events`. */
  readonly mounts: readonly SiteAnalyticsMount[]
  /** Subscribes, if the role is to handle events. */
  start(): Promise<void>
  /** Ends sessions that are over and deletes what is too old; runs by itself every few seconds. */
  maintain(): Promise<void>
  /** Idempotent. Close the server before and the backbone after. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const MAINTENANCE_MS = 5_000
const NAME = 'Site analytics'
const DESCRIPTION = 'Visits of a web site as they happen: pages, referrers, failures, crawlers. With a log importer.'

/**
 * Analytics of a web site on a backbone that was made with `events: ANALYTICS_EVENTS`; throws `config_invalid` otherwise.
 *
 * @example
 * const millrace = createMillrace({ engine, events: ANALYTICS_EVENTS })
 * const analytics = createSiteAnalytics({ millrace, dataDir: './.millrace' })
 * await analytics.start()
 * const server = createServer({ millrace, mounts: analytics.mounts })
 */
export function createSiteAnalytics(options: SiteAnalyticsOptions): SiteAnalytics {
  const { millrace, dataDir, role = 'all', runtime = systemRuntime(), origin } = options
  const onError =
    options.onError ?? ((error) => runtime.log.error('Site analytics failed.', { message: String(error) }))
  assertKnown(millrace)
  const database = openDatabase(join(dataDir, 'site-analytics.db'))
  const traffic =
    origin === undefined ? undefined : createTrafficGenerator(() => `${origin()}/api/analytics/events`, runtime)
  const visitorOf = dailyVisitorHash(dataDir, () => runtime.now())
  const web: WebServices = { millrace, runtime, database, visitorOf, traffic }
  const worker = createWorker({ millrace, runtime, database, onError })
  const mounts = role === 'worker' ? [] : mountsOf(web)
  let closing: Promise<void> | undefined
  async function shutDown(): Promise<void> {
    traffic?.switchOff()
    await worker.stop()
    database.close()
  }
  return {
    path: APP_PATH,
    name: NAME,
    description: DESCRIPTION,
    fetch: async (request, connection) =>
      (await mounts[0]?.fetch(request, connection)) ?? new Response(null, { status: 404 }),
    mounts,
    start: () => (role === 'web' ? Promise.resolve() : worker.start()),
    maintain: () => worker.maintain(),
    close() {
      closing ??= shutDown()
      return closing
    },
    [Symbol.asyncDispose]() {
      return this.close()
    },
  }
}

/** An event of a type that the backbone does not know would go to another topic than its definition says. */
function assertKnown({ catalog }: Millrace): void {
  const missing = ANALYTICS_EVENTS.find(
    ({ type, topic }) => !catalog.some((known) => known.type === type && known.topic === topic),
  )
  if (missing === undefined) return
  throw new MillraceError(
    'config_invalid',
    `The backbone does not know ${missing.type}. Pass ANALYTICS_EVENTS to createMillrace as events.`,
    { path: 'events' },
  )
}

function mountsOf(web: WebServices): readonly SiteAnalyticsMount[] {
  const page = pageRoutes(web)
  const endpoint = endpointRoutes(web)
  return [
    {
      path: APP_PATH,
      name: NAME,
      description: DESCRIPTION,
      fetch: async (request, connection = { remoteAddress: undefined }) => page.fetch(request, connection),
    },
    {
      path: '/api/analytics',
      name: 'Site analytics: endpoint',
      description: 'POST /api/analytics/events takes beacons in.',
      fetch: async (request, connection = { remoteAddress: undefined }) => endpoint.fetch(request, connection),
    },
  ]
}

interface WorkerServices {
  readonly millrace: Millrace
  readonly runtime: Runtime
  readonly database: Database
  readonly onError: (error: unknown) => void
}

interface Worker {
  start(): Promise<void>
  maintain(): Promise<void>
  stop(): Promise<void>
}

function createWorker({ millrace, runtime, database, onError }: WorkerServices): Worker {
  const commit = createGroupCommit(database, runtime)
  const outbox = createOutbox({ millrace, runtime, database, commit })
  let sessions: Sessions | undefined
  let subscriptions: readonly Subscription[] = []
  let timer: { cancel(): void } | undefined
  let maintaining: Promise<void> | undefined

  async function maintain(): Promise<void> {
    await sessions?.sweep(runtime.now())
    await commit.run(() => deleteOld(database, runtime.now()))
    outbox.drain()
  }

  function tick(): void {
    maintaining = maintain()
      .catch(onError)
      .finally(() => {
        if (timer !== undefined) timer = runtime.setTimer(tick, MAINTENANCE_MS)
      })
  }

  return {
    async start() {
      // What an earlier process committed and could not publish any more.
      outbox.drain()
      const services = { millrace, runtime, database, commit, outbox }
      sessions = await subscribeSessions(services)
      subscriptions = [
        sessions.subscription,
        await subscribeTraffic(services),
        await subscribeCrawlers(services),
        await subscribeRejected(millrace, runtime),
      ]
      timer = runtime.setTimer(tick, MAINTENANCE_MS)
    },
    maintain,
    async stop() {
      timer?.cancel()
      timer = undefined
      await Promise.all(subscriptions.map((subscription) => subscription.stop()))
      await maintaining
      await outbox.idle()
    },
  }
}
