import type { EventMessage } from '@millrace/core'
import { pathOf, referrerOf } from '../addresses.ts'
import { crawlerName } from '../crawler-name.ts'
import { CrawlerSeen, PageViewed, RequestFailed, ResourceRequested, type ResourceKind } from '../events.ts'
import type { LogRequest } from './combined-line.ts'

/** Where imported events say that they come from. */
export const LOG_SOURCE = '/site-analytics/log'

const KINDS: Readonly<Record<string, ResourceKind>> = Object.fromEntries([
  ...'png jpg jpeg gif svg ico webp avif bmp'.split(' ').map((extension) => [extension, 'image'] as const),
  ...'js mjs map'.split(' ').map((extension) => [extension, 'script'] as const),
  ...'woff woff2 ttf otf eot'.split(' ').map((extension) => [extension, 'font'] as const),
  ...'rss atom'.split(' ').map((extension) => [extension, 'feed'] as const),
  ...'txt xml json webmanifest'.split(' ').map((extension) => [extension, 'other'] as const),
  ['css', 'style'],
])
const PAGES = new Set(['', 'html', 'htm', 'xhtml', 'php', 'asp', 'aspx', 'jsp'])

/** A request as exactly one event: a crawler's, a failure, a page, or a resource, in this order. */
export function logEvent(
  request: LogRequest,
  options: { readonly id: string; readonly visitor: string; readonly site: string | undefined },
): EventMessage {
  const { time, status, userAgent } = request
  const { id, visitor, site } = options
  const common = { visitor, origin: 'log', path: pathOf(request.target) ?? '/' } as const
  const place = { id, source: LOG_SOURCE, timestamp: new Date(time) }
  const name = userAgent === undefined ? undefined : crawlerName(userAgent)
  if (name !== undefined) return CrawlerSeen.create({ ...common, name, status }, place)
  if (status >= 400) return RequestFailed.create({ ...common, status, reason: 'status' }, place)
  const kind = resourceKind(request)
  if (kind !== undefined) return ResourceRequested.create({ ...common, kind, status }, place)
  return PageViewed.create({ ...common, referrer: referrerOf(request.referrer, site ?? '') }, place)
}

/** What a request is when it is no page. */
export function resourceKind({ method, target, status }: LogRequest): ResourceKind | undefined {
  if (status >= 300 && status !== 304) return 'redirect'
  const [path = '', query = ''] = target.split(/[?#]/, 2)
  if (/(^|&)(flav|feed)=(rss|atom)/i.test(query) || /\/(feed|rss|atom)\/?$/i.test(path)) return 'feed'
  const extension = /\.([a-z][a-z0-9]{0,11})$/i.exec(path)?.[1]?.toLowerCase() ?? ''
  if (PAGES.has(extension)) return method === 'GET' && status >= 200 ? undefined : 'other'
  return KINDS[extension] ?? 'download'
}
