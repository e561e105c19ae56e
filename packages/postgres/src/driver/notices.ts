import type { Runtime, Timer, TopicChanges } from '@millrace/core/driver'
import type { Client } from 'pg'
import { clientConfig, ignoreFailure, importPg } from '../database/client.ts'
import type { Database } from '../database/database.ts'
import { endWithin } from '../database/end-within.ts'
import type { Settings } from '../settings.ts'
import { isTaskNotice, type TaskHub } from '../tasks/task-hub.ts'

/** Hints between processes that a topic has grown or a queue has changed. They may be late, doubled or lost: polling stands behind them. */
export interface Notices {
  /** Tells the others, soon and seldom enough. */
  published(topic: string): void
  /** From now on somebody waits: opens the connection that listens, unless it is open. */
  listen(): void
  /** Whether notifications were seen to arrive on the connection that is open now. */
  readonly arriving: boolean
  close(): Promise<void>
}

export interface NoticesOptions {
  readonly settings: Settings
  readonly runtime: Runtime
  readonly database: Database
  readonly changes: TopicChanges
  readonly taskHub: TaskHub
}

/** A notification takes a lock of the whole server at its commit, so they are gathered for this long, in milliseconds. */
const GATHER_MS = 20
const TEST_WITHIN_MS = 3_000
const RETRY_MS = [500, 1_000, 2_000, 5_000, 15_000, 30_000]
/** Where a pooler loses notifications, how long until the next try, in milliseconds. */
const TRY_AGAIN_MS = 300_000

export function createNotices(options: NoticesOptions): Notices {
  const { settings, runtime, database, changes, taskHub } = options
  const channel = `millrace_${settings.schema}`
  const instance = runtime.id()
  const grown = new Set<string>()
  let sentAt = -Infinity
  let sending: Timer | undefined
  let client: Client | undefined
  let retry: Timer | undefined
  let tries = 0
  let wanted = false
  let arriving = false
  let closed = false
  let told = false
  let connecting: Promise<void> | undefined
  let giveUp = (): void => {}

  function send(): void {
    sending = undefined
    sentAt = runtime.monotonic()
    const payloads = [...grown].map((topic) => `${instance} ${topic}`)
    grown.clear()
    // Nothing depends on a hint, so nobody waits for it and its loss is no failure.
    database.run(NOTIFY, channel, payloads).catch(() => undefined)
  }

  async function connect(): Promise<void> {
    const { default: pg } = await importPg()
    if (closed) return
    const fresh = new pg.Client({ ...listenConfig(settings), connectionTimeoutMillis: settings.connectTimeoutMs })
    client = fresh
    const tested = Promise.withResolvers<boolean>()
    giveUp = () => tested.resolve(false)
    fresh.on('error', () => undefined)
    fresh.on('end', () => tested.resolve(false))
    fresh.on('notification', ({ payload = '' }) => {
      const [from, topic] = payload.split(' ')
      if (from === instance && topic === undefined) tested.resolve(true)
      // Our own were announced when they were stored.
      if (from === instance || topic === undefined) return
      if (isTaskNotice(topic)) taskHub.announce(topic)
      else changes.announceKnown(topic)
    })
    try {
      await fresh.connect()
      await fresh.query(`LISTEN "${channel}"`)
      await database.run(NOTIFY, channel, [instance])
      const timer = runtime.setTimer(() => tested.resolve(false), TEST_WITHIN_MS)
      const works = await tested.promise
      timer.cancel()
      if (works && !closed) {
        arriving = true
        tries = 0
        changes.announceAll()
        taskHub.announceAll()
        fresh.once('end', lost)
        return
      }
      if (!told && !closed) {
        runtime.log.warn(
          'notifications do not arrive, as behind a pooler in transaction mode; new events are found by polling',
          {
            engine: database.where,
          },
        )
      }
      told = true
      later(TRY_AGAIN_MS)
    } catch {
      later(RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)] ?? 0)
    }
    client = undefined
    await fresh.end().catch(() => undefined)
  }

  function lost(): void {
    arriving = false
    client = undefined
    later(RETRY_MS[0] ?? 0)
  }

  function later(ms: number): void {
    if (closed) return
    retry = runtime.setTimer(start, ms)
  }

  function start(): void {
    if (!closed) connecting = connect()
  }

  return {
    get arriving() {
      return arriving
    },
    published(topic) {
      if (closed) return
      grown.add(topic)
      if (sending !== undefined) return
      const wait = sentAt + GATHER_MS - runtime.monotonic()
      if (wait <= 0) send()
      else sending = runtime.setTimer(send, wait)
    },
    listen() {
      if (wanted || settings.listen === false) return
      wanted = true
      start()
    },
    async close() {
      closed = true
      sending?.cancel()
      retry?.cancel()
      giveUp()
      // A client that is still connecting never tells that it was ended: it is let through first.
      await connecting?.catch(ignoreFailure)
      const listening = client
      if (listening !== undefined)
        await endWithin(
          () => listening.end(),
          () => [listening],
          runtime,
        )
    },
  }
}

/** The commit of a hint need not be on disk. */
const NOTIFY =
  "SELECT pg_notify($1, payload), set_config('synchronous_commit', 'off', true) FROM unnest($2::text[]) payload"

function listenConfig(settings: Settings): ReturnType<typeof clientConfig> {
  const { listen, pool } = settings
  if (typeof listen === 'string') return { ...clientConfig(settings, {}), connectionString: listen }
  if (pool === undefined) return clientConfig(settings, {})
  const options = pool.options as ReturnType<typeof clientConfig>
  // The pool hides the password from copies.
  return options.password === undefined ? options : { ...options, password: options.password }
}
