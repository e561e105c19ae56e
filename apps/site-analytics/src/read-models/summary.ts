import { ORIGINS, type Origin } from '../events.ts'
import type { Database } from './database.ts'
import type { TallySubject } from './tally.ts'
import { hourOf, minuteOf } from './time.ts'
import { thirdQuartile, type Vital } from './vitals.ts'

/** `live`: the last hour by minute and the last 24 hours in all. `log`: everything that was imported. */
export type View = 'live' | 'log'

/** A name with how often it was counted. */
export interface Count {
  readonly name: string
  readonly count: number
  readonly failed: number
}

/** A visit as the page lists it. */
export interface VisitRow {
  readonly visitor: string
  readonly user: string | undefined
  readonly origin: Origin
  readonly open: boolean
  readonly startedAt: number
  readonly durationMs: number
  readonly entry: string
  readonly exit: string
  readonly pages: number
  readonly events: number
}

/** Everything that the page shows of one view. Times are milliseconds since the epoch. */
export interface Summary {
  readonly view: View
  readonly now: number
  readonly origins: readonly Origin[]
  readonly totals: {
    /** Distinct visitors of the last five minutes; always of now. */
    readonly liveVisitors: number
    /** Page views of the last sixty seconds; always of now. */
    readonly pagesAMinute: number
    readonly pages: number
    readonly visitors: number
    readonly visits: number
    readonly openVisits: number
    readonly pagesAVisit: number | undefined
    readonly requests: number
    readonly failures: number
    readonly crawlers: number
    readonly crawlerFailures: number
    readonly resources: number
  }
  readonly series: {
    readonly from: number
    readonly stepMinutes: number
    readonly pages: readonly number[]
    readonly failures: readonly number[]
    readonly crawlers: readonly number[]
  }
  readonly pages: readonly Count[]
  readonly referrers: readonly Count[]
  readonly failures: readonly Count[]
  readonly crawlers: readonly Count[]
  readonly resources: readonly Count[]
  readonly outbound: readonly Count[]
  readonly vitals: Readonly<Record<Vital, number | undefined>>
  readonly visits: readonly VisitRow[]
}

const LIVE_MS = 5 * 60_000
const LIVE_MINUTES = 60
const LIVE_HOURS = 24
const MOST_BARS = 120
const STEPS = [1, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 10_080, 43_200, 525_600]
const TOP = 10

/** Reads a view; a handful of indexed queries. */
export function readSummary(database: Database, view: View, now: number): Summary {
  const origins: readonly Origin[] = view === 'log' ? ['log'] : ['web', 'generated']
  const fromHour = view === 'log' ? 0 : hourOf(now) - LIVE_HOURS + 1
  const scope: Scope = { database, origins, fromHour }
  return {
    view,
    now,
    origins: ORIGINS.filter((origin) => hasData(database, origin)),
    totals: readTotals(scope, now),
    series: readSeries(scope, view, now),
    pages: top(scope, 'page'),
    referrers: top(scope, 'referrer').filter(({ name }) => name !== 'internal'),
    failures: top(scope, 'failure'),
    crawlers: top(scope, 'crawler'),
    resources: top(scope, 'resource'),
    outbound: top(scope, 'outbound'),
    vitals: { lcp: vital(scope, 'lcp'), cls: vital(scope, 'cls'), inp: vital(scope, 'inp') },
    visits: readVisits(scope),
  }
}

interface Scope {
  readonly database: Database
  readonly origins: readonly Origin[]
  readonly fromHour: number
}

function readTotals({ database, origins, fromHour }: Scope, now: number): Summary['totals'] {
  const minutes = one(
    database,
    `SELECT sum(pages) pages, sum(failures) failures, sum(requests) requests, sum(crawlers) crawlers,
     sum(resources) resources FROM minutes WHERE ${within(origins)} AND minute >= ?`,
    fromHour * 60,
  )
  const names = one(
    database,
    `SELECT sum(CASE subject WHEN 'new-visitor' THEN count END) visitors,
     sum(CASE subject WHEN 'crawler' THEN failed END) crawlerFailures
     FROM tallies WHERE subject IN ('new-visitor', 'crawler') AND ${within(origins)} AND hour >= ?`,
    fromHour,
  )
  const ended = one(
    database,
    `SELECT sum(sessions) sessions, sum(pages) pages FROM session_totals WHERE ${within(origins)} AND hour >= ?`,
    fromHour,
  )
  const open = one(
    database,
    `SELECT count(*) sessions, sum(pages) pages FROM sessions WHERE open = 1 AND ${within(origins)} AND started_at >= ?`,
    fromHour * 3_600_000,
  )
  const visits = ended('sessions') + open('sessions')
  return {
    ...readNow(database, now),
    pages: minutes('pages'),
    visitors: names('visitors'),
    visits,
    openVisits: open('sessions'),
    pagesAVisit: visits === 0 ? undefined : (ended('pages') + open('pages')) / visits,
    requests: minutes('requests'),
    failures: minutes('failures'),
    crawlers: minutes('crawlers'),
    crawlerFailures: names('crawlerFailures'),
    resources: minutes('resources'),
  }
}

/** What happens right now is of live origins only, whatever is looked at. */
function readNow(database: Database, now: number): { readonly liveVisitors: number; readonly pagesAMinute: number } {
  const live = within(['web', 'generated'])
  const visitors = one(
    database,
    `SELECT count(DISTINCT visitor) n FROM visitors WHERE last_at > ? AND ${live}`,
    now - LIVE_MS,
  )
  const minute = minuteOf(now)
  const sum = `SELECT sum(pages) n FROM minutes WHERE minute = ? AND ${live}`
  // Of the last whole minute, the part that still lies within the last sixty seconds.
  const share = 1 - (now % 60_000) / 60_000
  const pages = one(database, sum, minute)('n') + Math.floor(one(database, sum, minute - 1)('n') * share)
  return { liveVisitors: visitors('n'), pagesAMinute: pages }
}

function readSeries({ database, origins }: Scope, view: View, now: number): Summary['series'] {
  const range =
    view === 'live'
      ? { first: minuteOf(now) - LIVE_MINUTES + 1, last: minuteOf(now) }
      : rangeOf(database, origins, minuteOf(now))
  const wanted = (range.last - range.first + 1) / MOST_BARS
  const step = STEPS.find((minutes) => minutes >= wanted) ?? 525_600
  const from = Math.floor(range.first / step) * step
  const length = Math.floor((range.last - from) / step) + 1
  const empty = (): number[] => Array.from({ length }, () => 0)
  const series = { pages: empty(), failures: empty(), crawlers: empty() }
  const rows = database
    .prepare(
      `SELECT CAST((minute - ?1) / ?2 AS INTEGER) AS bar, sum(pages) pages, sum(failures) failures, sum(crawlers) crawlers FROM minutes
       WHERE ${within(origins)} AND minute BETWEEN ?1 AND ?3 GROUP BY bar`,
    )
    .all(from, step, range.last)
  for (const row of rows) {
    const bar = Number(row['bar'])
    for (const name of ['pages', 'failures', 'crawlers'] as const) series[name][bar] = Number(row[name])
  }
  return { from: from * 60_000, stepMinutes: step, ...series }
}

function rangeOf(
  database: Database,
  origins: readonly Origin[],
  minute: number,
): { readonly first: number; readonly last: number } {
  const row = database.prepare(`SELECT min(minute) first, max(minute) last FROM minutes WHERE ${within(origins)}`).get()
  const { first, last } = row ?? {}
  return typeof first === 'number' && typeof last === 'number' ? { first, last } : { first: minute, last: minute }
}

function top({ database, origins, fromHour }: Scope, subject: TallySubject): readonly Count[] {
  return database
    .prepare(
      `SELECT name, sum(count) AS count, sum(failed) AS failed FROM tallies
       WHERE subject = ? AND ${within(origins)} AND hour >= ? GROUP BY name ORDER BY 2 DESC, 1 LIMIT ?`,
    )
    .all(subject, fromHour, TOP)
    .map((row) => ({ name: String(row['name']), count: Number(row['count']), failed: Number(row['failed']) }))
}

function vital({ database, origins, fromHour }: Scope, metric: Vital): number | undefined {
  const rows = database
    .prepare(
      `SELECT bucket, sum(count) AS count FROM vitals WHERE ${within(origins)} AND hour >= ? AND metric = ? GROUP BY bucket`,
    )
    .all(fromHour, metric)
  return thirdQuartile(
    metric,
    rows.map((row) => ({ bucket: Number(row['bucket']), count: Number(row['count']) })),
  )
}

function readVisits({ database, origins }: Scope): readonly VisitRow[] {
  // One index range by origin, merged here: an OR over origins would sort the whole table.
  const sql = `SELECT s.*, k.user FROM sessions s LEFT JOIN known_visitors k USING (visitor)
    WHERE origin = ? ORDER BY started_at DESC LIMIT ?`
  return origins
    .flatMap((origin) => database.prepare(sql).all(origin, TOP))
    .map((row) => ({
      visitor: String(row['visitor']).slice(0, 8),
      user: row['user'] === null ? undefined : String(row['user']),
      origin: String(row['origin']) as Origin,
      open: row['open'] === 1,
      startedAt: Number(row['started_at']),
      durationMs: Number(row['last_at']) - Number(row['started_at']),
      entry: String(row['entry']),
      exit: String(row['exit']),
      pages: Number(row['pages']),
      events: Number(row['events']),
    }))
    .sort((a, b) => b.startedAt - a.startedAt)
    .slice(0, TOP)
}

function hasData(database: Database, origin: Origin): boolean {
  return database.prepare('SELECT 1 FROM minutes WHERE origin = ? LIMIT 1').get(origin) !== undefined
}

/** The origins are constants of ours, never input. */
function within(origins: readonly Origin[]): string {
  return `origin IN (${origins.map((origin) => `'${origin}'`).join(', ')})`
}

/** One row as a function from column to number, with 0 for what is not there. */
function one(database: Database, sql: string, parameter: number): (column: string) => number {
  const row = database.prepare(sql).get(parameter)
  return (column) => Number(row?.[column] ?? 0)
}
