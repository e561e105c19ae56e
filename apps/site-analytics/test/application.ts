import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMillrace, systemRuntime, type Millrace, type Runtime } from '@millrace/core'
import type { Engine } from '@millrace/core/driver'
import { memory } from '@millrace/core/memory'
import { createServer } from '@millrace/server'
import { ANALYTICS_EVENTS, createSiteAnalytics, type SiteAnalytics } from '../src/index.ts'
import type { Summary, View } from '../src/read-models/summary.ts'

export const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0'

/** The application with a backbone, a server and a folder of its own. */
export interface Application {
  readonly millrace: Millrace
  readonly analytics: SiteAnalytics
  readonly runtime: Runtime & { skew: number }
  readonly folder: string
  readonly url: string
  post(body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>
  summary(view?: View): Promise<Summary>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export async function startApplication({
  engine = memory(),
  folder = mkdtempSync(join(tmpdir(), 'site-analytics-')),
  keepFolder = false,
  clock = systemRuntime(),
}: { engine?: Engine; folder?: string; keepFolder?: boolean; clock?: Runtime } = {}): Promise<Application> {
  // The wall clock can be moved by hand; timers and measurements stay real.
  const runtime = { ...clock, skew: 0, now: (): number => clock.now() + runtime.skew }
  const millrace = createMillrace({ name: 'test', engine, events: ANALYTICS_EVENTS, runtime })
  let origin = ''
  const analytics = createSiteAnalytics({ millrace, dataDir: folder, runtime, origin: () => origin })
  const server = createServer({ millrace, port: 0, mounts: analytics.mounts, runtime })
  origin = (await server.listen()).url
  await analytics.start()
  let closing: Promise<void> | undefined
  async function shutDown(): Promise<void> {
    await server.close({ timeoutMs: 1_000 })
    await analytics.close()
    await millrace.close()
    if (!keepFolder) rmSync(folder, { recursive: true, force: true })
  }
  const close = (): Promise<void> => (closing ??= shutDown())
  return {
    millrace,
    analytics,
    runtime,
    folder,
    url: origin,
    post: (body, headers = {}) =>
      fetch(`${origin}/api/analytics/events`, {
        method: 'POST',
        headers: { 'user-agent': BROWSER, ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async summary(view = 'live') {
      const response = await fetch(`${origin}/apps/site-analytics/api/summary?view=${view}`)
      return (await response.json()) as Summary
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Looks again and again until what is seen is what is wanted; fails with what was seen last. */
export async function eventually<Seen>(
  look: () => Promise<Seen> | Seen,
  isWanted: (seen: Seen) => boolean,
  timeoutMs = 60_000,
): Promise<Seen> {
  const end = performance.now() + timeoutMs
  for (;;) {
    const seen = await look()
    if (isWanted(seen)) return seen
    if (performance.now() > end)
      throw new Error(`Not within ${timeoutMs} ms; last seen: ${JSON.stringify(seen)?.slice(0, 2_000)}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
