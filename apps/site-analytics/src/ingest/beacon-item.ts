import { isMillraceError, type EventMessage } from '@millrace/core'
import {
  CrawlerSeen,
  LinkClicked,
  PageViewed,
  PerformanceMeasured,
  RequestFailed,
  ScrollMeasured,
  VisitorIdentified,
  type Origin,
} from '../events.ts'
import { pathOf, referrerOf } from '../addresses.ts'

/** What is known of a beacon beside its items. */
export interface BeaconContext {
  readonly visitor: string
  readonly origin: Origin
  /** The crawler's name when it is none of ours to count as a person. */
  readonly crawler: string | undefined
  /** The site's own hosts: links between its pages are `internal`. */
  readonly host: string
  /** Milliseconds since the epoch: our clock, and the sender's when it told it. */
  readonly now: number
  readonly sentAt: number | undefined
}

/** An item of a beacon as an event, as the reason why it is none, or as nothing when it is not to be counted. */
export type ItemOutcome = { readonly event: EventMessage } | { readonly reason: string } | { readonly ignored: true }

/** Where web events say that they come from. */
export const WEB_SOURCE = '/site-analytics/web'

const ID = /^[\w:.-]{8,128}$/
const LONGEST_DELAY_MS = 48 * 60 * 60_000
/** A clock may be a little ahead. */
const FUTURE_MS = 60_000

const BY_TYPE = {
  'page.viewed': PageViewed,
  'visitor.identified': VisitorIdentified,
  'link.clicked': LinkClicked,
  'scroll.measured': ScrollMeasured,
  'performance.measured': PerformanceMeasured,
  'request.failed': RequestFailed,
} as const

/** Judges one item. Reasons hold no values of the item, so that equal faults are one group among the dead letters. */
export function readBeaconItem(item: unknown, context: BeaconContext): ItemOutcome {
  if (!isRecord(item)) return { reason: 'The item is not an object' }
  const { type, id, page } = item
  if (typeof type !== 'string') return { reason: 'The item has no type' }
  if (!isAccepted(type)) return { reason: 'The type is not one that browsers send' }
  if (id !== undefined && !(typeof id === 'string' && ID.test(id))) return { reason: 'The id is not usable' }
  if (page !== undefined && !(typeof page === 'string' && ID.test(page))) {
    return { reason: 'The page id is not usable' }
  }
  if (!isRecord(item['data'])) return { reason: 'The item has no data' }
  const timestamp = timeOf(item, context)
  if (timestamp === undefined) return { reason: 'The time is not usable' }
  const data = dataOf(type, item['data'], context)
  if (typeof data === 'string') return { reason: data }
  if (context.crawler !== undefined && type !== 'page.viewed') return { ignored: true }
  const definition = context.crawler === undefined ? BY_TYPE[type] : CrawlerSeen
  const options = {
    source: WEB_SOURCE,
    timestamp: new Date(timestamp),
    ...(id === undefined ? {} : { id }),
    ...(page === undefined ? {} : { correlationId: page }),
  }
  try {
    // The definition validates; what the browser sent is unknown until then.
    return { event: definition.create(data as never, options) }
  } catch (error) {
    if (isMillraceError(error)) return { reason: reasonOf(error.code, error.path) }
    throw error
  }
}

function isAccepted(type: string): type is keyof typeof BY_TYPE {
  return Object.hasOwn(BY_TYPE, type)
}

function dataOf(
  type: string,
  given: Readonly<Record<string, unknown>>,
  { visitor, origin, crawler, host }: BeaconContext,
): Readonly<Record<string, unknown>> | string {
  const path = pathOf(given['path'])
  if (path === undefined) return 'The path does not begin with /'
  const common = { visitor, origin, path }
  if (crawler !== undefined) return { ...common, name: crawler, status: 200 }
  if (type !== 'page.viewed') return { ...given, ...common }
  return { ...common, title: given['title'], referrer: referrerOf(given['referrer'], host) }
}

/** Event time on our clock: how long ago the sender says it was, by the sender's own clock; clocks of browsers are wrong. */
function timeOf(item: Readonly<Record<string, unknown>>, { now, sentAt }: BeaconContext): number | undefined {
  const { at, timestamp } = item
  if (at === undefined && timestamp === undefined) return now
  if (typeof at === 'number' && Number.isFinite(at) && sentAt !== undefined) {
    return now - Math.min(Math.max(0, sentAt - at), LONGEST_DELAY_MS)
  }
  const ms = typeof timestamp === 'string' ? Date.parse(timestamp) : typeof at === 'number' ? at : Number.NaN
  return ms > now - LONGEST_DELAY_MS && ms < now + FUTURE_MS ? ms : undefined
}

function reasonOf(code: string, path: string | undefined): string {
  return path === undefined ? `The data does not fit (${code})` : `The data does not fit at ${path.slice(0, 80)}`
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
