import type { Millrace, Runtime } from '@millrace/core'
import { Hono } from 'hono'
import { crawlerName } from '../crawler-name.ts'
import type { VisitorHash } from '../ingest/daily-salt.ts'
import { createBeaconIntake } from '../ingest/accept-beacon.ts'
import { REJECTED_GROUP } from '../ingest/subscribe-rejected.ts'
import type { Database } from '../read-models/database.ts'
import { readSummary } from '../read-models/summary.ts'
import type { TrafficGenerator } from '../traffic/generator.ts'
import { bundledScript, file, serve, type Asset } from './bundle.ts'
import { sitePage } from './site/pages.ts'

/** Where the application and its site are mounted. */
export const APP_PATH = '/apps/site-analytics'
export const SITE_PATH = `${APP_PATH}/site`

/** Who is at the other end of a request; what the server hands to a mounted application. */
export interface Connection {
  readonly remoteAddress: string | undefined
}

export interface WebServices {
  readonly millrace: Millrace
  readonly runtime: Runtime
  readonly database: Database
  readonly visitorOf: VisitorHash
  /** Absent when this process cannot reach its own endpoint. */
  readonly traffic: TrafficGenerator | undefined
}

type Env = { Bindings: Connection }

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

/** The dashboard, its data, the beacon and the site, all below `APP_PATH`. */
export function pageRoutes({ millrace, runtime, database, traffic }: WebServices): Hono<Env> {
  const app = new Hono<Env>()
  const assets = lazily({
    '/': () => file('./page/index.html', 'text/html; charset=utf-8'),
    '/page.css': () => file('./page/page.css', 'text/css; charset=utf-8'),
    '/page.js': () => bundledScript('./page/page.ts'),
    '/beacon.js': () => bundledScript('./beacon/beacon.js'),
    '/site/site.css': () => file('./site/site.css', 'text/css; charset=utf-8'),
    '/site/site.js': () => bundledScript('./site/site.ts'),
  })
  app.use(async (context, next) => {
    await next()
    context.header('content-security-policy', CSP)
    context.header('x-content-type-options', 'nosniff')
    context.header('referrer-policy', 'same-origin')
  })
  for (const [path, asset] of Object.entries(assets)) app.get(path, async ({ req }) => serve(await asset(), req.raw))
  app.get('/api/summary', async ({ req, json }) => {
    const view = req.query('view') === 'log' ? 'log' : 'live'
    const rejected = await millrace.deadLetters.counts({ group: REJECTED_GROUP })
    const { isOn, sent } = traffic ?? { isOn: false, sent: 0 }
    const generator = { available: traffic !== undefined, isOn, sent }
    return json({ ...readSummary(database, view, runtime.now()), rejected, generator }, 200, {
      'cache-control': 'no-store',
    })
  })
  app.post('/api/traffic', async (context) => {
    if (traffic === undefined) return context.json({ detail: 'This process does not know its own address.' }, 409)
    const body: unknown = await context.req.json().catch(() => undefined)
    const wanted = typeof body === 'object' && body !== null && 'on' in body ? body.on : undefined
    if (typeof wanted !== 'boolean') return context.json({ detail: 'Send {"on": true} or {"on": false}.' }, 400)
    if (wanted) traffic.switchOn()
    else traffic.switchOff()
    return context.json({ isOn: traffic.isOn })
  })
  app.get('/site', ({ redirect }) => redirect(`${SITE_PATH}/`, 308))
  app.get('/site/*', ({ req, html }) => {
    const { status, page } = sitePage(req.path.slice('/site'.length))
    return html(page, status, { 'cache-control': 'no-cache' })
  })
  app.notFound(({ json }) => json({ detail: 'There is nothing at this path.' }, 404))
  return app
}

/** `POST /events` below `/api/analytics`. */
export function endpointRoutes({ millrace, runtime, visitorOf, traffic }: WebServices): Hono<Env> {
  const app = new Hono<Env>()
  const intake = createBeaconIntake(millrace)
  app.post('/events', (context) => {
    const { raw: request } = context.req
    const { headers } = request
    // A wish not to be counted is a wish not to be counted; nothing of the request is kept.
    if (headers.get('dnt') === '1' || headers.get('sec-gpc') === '1') return new Response(null, { status: 204 })
    const pretended = traffic?.addressOf(headers)
    const userAgent = headers.get('user-agent') ?? ''
    const address = pretended ?? context.env?.remoteAddress ?? ''
    return intake(request, {
      visitor: visitorOf(address, userAgent),
      origin: pretended === undefined ? 'web' : 'generated',
      crawler: userAgent === '' ? undefined : crawlerName(userAgent),
      host: pretended === undefined ? new URL(request.url).hostname : 'aldermill.example',
      now: runtime.now(),
    })
  })
  app.all('/events', ({ json }) => json({ detail: 'Send events with POST.' }, 405, { allow: 'POST' }))
  app.notFound(({ json }) => json({ detail: 'There is nothing at this path.' }, 404))
  return app
}

/** Each made when it is first asked for, and once. */
function lazily<Key extends string>(makers: Record<Key, () => Promise<Asset>>): Record<Key, () => Promise<Asset>> {
  const made = new Map<Key, Promise<Asset>>()
  const entries = (Object.keys(makers) as Key[]).map((key) => {
    const get = (): Promise<Asset> => {
      const known = made.get(key)
      if (known !== undefined) return known
      const asset = makers[key]()
      made.set(key, asset)
      // A failure is not kept, so that the next request tries again.
      asset.catch(() => made.delete(key))
      return asset
    }
    return [key, get] as const
  })
  return Object.fromEntries(entries) as Record<Key, () => Promise<Asset>>
}
