import type { EventOf, Subscription } from '@millrace/core'
import {
  LinkClicked,
  PageViewed,
  PerformanceMeasured,
  RequestFailed,
  ResourceRequested,
  ScrollMeasured,
  VisitorIdentified,
  type Origin,
} from '../events.ts'
import type { Database } from './database.ts'
import { firstTime } from './once.ts'
import type { ReadModelServices } from './services.ts'
import { countMinute, countName } from './tally.ts'
import { countVital } from './vitals.ts'

export const TRAFFIC_GROUP = 'site-analytics.traffic'

const TRAFFIC = [
  PageViewed,
  LinkClicked,
  ScrollMeasured,
  PerformanceMeasured,
  RequestFailed,
  ResourceRequested,
  VisitorIdentified,
] as const

type TrafficEvent = EventOf<(typeof TRAFFIC)[number]>

/** Counts what people do: pages, referrers, failures, resources, visitors, and how pages feel. */
export function subscribeTraffic({ millrace, runtime, database, commit }: ReadModelServices): Promise<Subscription> {
  return millrace.subscribe(
    TRAFFIC,
    (event) =>
      commit.run(() => {
        const now = runtime.now()
        if (firstTime(database, TRAFFIC_GROUP, event, now)) apply(database, event, now)
      }),
    { group: TRAFFIC_GROUP, from: 'earliest', concurrency: 256 },
  )
}

function apply(database: Database, event: TrafficEvent, now: number): void {
  const at = Date.parse(event.timestamp)
  const { origin, path, visitor } = event.data
  if (event.type !== 'resource.requested') seeVisitor(database, { visitor, origin, at, now })
  switch (event.type) {
    case 'page.viewed':
      countMinute(database, 'pages', origin, at)
      countMinute(database, 'requests', origin, at)
      countName(database, 'page', { origin, at, name: path })
      countName(database, 'referrer', { origin, at, name: event.data.referrer })
      return
    case 'resource.requested':
      countMinute(database, 'resources', origin, at)
      countMinute(database, 'requests', origin, at)
      countName(database, 'resource', { origin, at, name: event.data.kind })
      return
    case 'request.failed':
      countMinute(database, 'failures', origin, at)
      countMinute(database, 'requests', origin, at)
      countName(database, 'failure', { origin, at, name: failureName(event), failed: true })
      return
    case 'link.clicked':
      countName(database, 'outbound', { origin, at, name: event.data.target })
      return
    case 'scroll.measured':
      countName(database, 'scroll', { origin, at, name: String(Math.floor(event.data.percent / 10) * 10) })
      return
    case 'performance.measured':
      for (const metric of ['lcp', 'cls', 'inp'] as const) {
        const value = event.data[metric]
        if (value !== undefined) countVital(database, metric, { origin, at, value })
      }
      return
    case 'visitor.identified':
      database
        .prepare('INSERT OR REPLACE INTO known_visitors (visitor, user, touched_at) VALUES (?, ?, ?)')
        .run(visitor, event.data.user, now)
  }
}

/** A visitor is a hash of one day, so those who are new in an hour add up to the visitors of a day. */
function seeVisitor(
  database: Database,
  { visitor, origin, at, now }: { visitor: string; origin: Origin; at: number; now: number },
): void {
  const seen = database
    .prepare('UPDATE visitors SET last_at = max(last_at, ?), touched_at = ? WHERE visitor = ? AND origin = ?')
    .run(at, now, visitor, origin)
  if (seen.changes === 1) return
  database
    .prepare('INSERT INTO visitors (visitor, origin, last_at, touched_at) VALUES (?, ?, ?, ?)')
    .run(visitor, origin, at, now)
  countName(database, 'new-visitor', { origin, at, name: '' })
}

function failureName({ data }: EventOf<typeof RequestFailed>): string {
  return `${data.status ?? data.reason} ${data.path}`
}
