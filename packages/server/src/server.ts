import { createApp } from './app.ts'
import { listen, type Listener } from './listen.ts'
import { createMetrics } from './metrics/metrics.ts'
import { listenToChannels } from './metrics/listen-to-channels.ts'
import { settingsOf, type ServerOptions } from './options.ts'
import { createReplayRuns } from './replay-runs.ts'
import { deadLetterRoutes } from './routes/dead-letters.ts'
import { browseRoutes } from './routes/browse.ts'
import { ingestRoutes } from './routes/ingest.ts'
import { healthRoutes } from './routes/health.ts'
import { operationRoutes } from './routes/operations.ts'
import { pageRoutes } from './routes/page.ts'
import { queueRoutes } from './routes/queues.ts'
import { replayRoutes } from './routes/replays.ts'
import { scheduleRoutes } from './routes/schedules.ts'
import { statusRoutes } from './routes/status.ts'
import { streamRoutes } from './routes/stream.ts'
import { outboxRoutes } from './routes/outbox.ts'
import { taskRoutes } from './routes/tasks.ts'
import { topicRoutes } from './routes/topics.ts'
import type { Services } from './services.ts'
import { createOpenStreams } from './stream/open-streams.ts'

/** The HTTP side of a backbone. */
export interface Server {
  /** Answers one request, for mounting into another framework; limits of the socket are then that framework's. */
  fetch(request: Request): Promise<Response>
  /** Listens. Throws `config_invalid` when the address cannot be bound. */
  listen(): Promise<{ readonly url: string }>
  /**
   * Takes no more requests, ends streams with a last message, lets running requests end for at most `timeoutMs`
   * (default 10,000), then cuts them. Idempotent. The backbone stays open: who opened it closes it.
   */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * The HTTP API, the event stream, the metrics and the operator page of one backbone. Throws `config_invalid`.
 *
 * @example
 * await using server = createServer({ millrace })
 * const { url } = await server.listen()
 */
export function createServer(options: ServerOptions): Server {
  const settings = settingsOf(options)
  const { millrace, runtime, limits } = settings
  const metrics = createMetrics()
  const stopListening = listenToChannels(millrace.name, metrics)
  let isStopping = false
  const services: Services = {
    settings,
    metrics,
    streams: createOpenStreams(limits.streams),
    replays: createReplayRuns({ millrace, runtime, capacity: limits.replays }),
    startedAt: runtime.monotonic(),
    isStopping: () => isStopping,
  }
  const app = createApp(services, [
    ...ingestRoutes(services),
    ...browseRoutes(services),
    ...streamRoutes(services),
    ...topicRoutes(services),
    ...outboxRoutes(services),
    ...deadLetterRoutes(services),
    ...replayRoutes(services),
    ...taskRoutes(services),
    ...queueRoutes(services),
    ...scheduleRoutes(services),
    ...operationRoutes(services),
    ...statusRoutes(services),
    ...healthRoutes(services),
    ...pageRoutes(services),
  ])
  let listener: Promise<Listener> | undefined
  let closing: Promise<void> | undefined

  async function shutDown(timeoutMs: number): Promise<void> {
    isStopping = true
    services.streams.endAll()
    services.replays.cancelAll()
    const open = await listener?.catch(() => undefined)
    await open?.close(timeoutMs)
    stopListening()
  }

  return {
    fetch: async (request) => app.fetch(request),
    async listen() {
      listener ??= listen((request, env) => app.fetch(request, env), settings)
      const { url } = await listener
      return { url }
    },
    close({ timeoutMs = 10_000 } = {}) {
      closing ??= shutDown(timeoutMs)
      return closing
    },
    [Symbol.asyncDispose]() {
      return this.close()
    },
  }
}
