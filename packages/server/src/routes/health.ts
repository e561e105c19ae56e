import { createScrape } from '../metrics/scrape.ts'
import { API_HEADERS, json } from '../reply.ts'
import type { Route, Services } from '../services.ts'

/** `GET /healthz`, `GET /readyz`, `GET /metrics`: for orchestrators and Prometheus. */
export function healthRoutes(services: Services): readonly Route[] {
  const scrape = createScrape(services)
  return [
    { method: 'GET', path: '/healthz', handle: () => json({ status: 'live' }) },
    { method: 'GET', path: '/readyz', handle: () => readiness(services) },
    {
      method: 'GET',
      path: '/metrics',
      handle: async () =>
        new Response(await scrape(), {
          headers: { ...API_HEADERS, 'content-type': services.metrics.registry.contentType },
        }),
    },
  ]
}

async function readiness({ settings, isStopping }: Services): Promise<Response> {
  const { millrace, runtime, timeouts } = settings
  const engine = await new Promise<'up' | 'down' | 'slow'>((resolve) => {
    const timer = runtime.setTimer(() => resolve('slow'), timeouts.readyMs)
    millrace
      .topics()
      .then(
        () => resolve('up'),
        () => resolve('down'),
      )
      .finally(() => timer.cancel())
  })
  const checks = [
    { name: 'engine', status: engine },
    { name: 'server', status: isStopping() ? 'stopping' : 'up' },
  ]
  const isReady = checks.every((check) => check.status === 'up')
  return json({ status: isReady ? 'ready' : 'not ready', checks }, isReady ? 200 : 503)
}
