import { defineEvent } from '@millrace/core/contract'
import type { EventOf } from '@millrace/core'
import { z } from 'zod'

/** One topic for the whole family: what one visitor did stays in order across types, because order is per topic and key. */
export const ANALYTICS_TOPIC = 'analytics'

/** Where an event came from: a browser or a server of the site, our own traffic generator, or an imported log. */
export const ORIGINS = ['web', 'generated', 'log'] as const
export type Origin = (typeof ORIGINS)[number]

const path = z.string().min(1).max(512)
const origin = z.enum(ORIGINS)
const visitor = z.string().regex(/^[0-9a-f]{24}$/)
const status = z.int().min(100).max(599)
const common = { visitor, origin }
/** Another site's host, or `direct`, or `internal`; full addresses of other sites are not kept. */
const referrer = z.string().min(1).max(253)

const byVisitor = (data: { readonly visitor: string }): string => data.visitor
const family = { version: 1, topic: ANALYTICS_TOPIC, key: byVisitor } as const

/** A person looked at a page. */
export const PageViewed = defineEvent('page.viewed', {
  ...family,
  description: 'A person looked at a page',
  schema: z.object({ ...common, path, referrer, title: z.string().max(200).optional() }),
})

/** The first page of a visit; the next comes after 30 minutes of silence. */
export const SessionStarted = defineEvent('session.started', {
  ...family,
  description: 'A visit began',
  schema: z.object({ ...common, session: z.string(), entry: path, referrer }),
})

/** A visitor was silent for 30 minutes of event time; the timestamp is that of the last thing they did. */
export const SessionEnded = defineEvent('session.ended', {
  ...family,
  description: 'A visit ended',
  schema: z.object({
    ...common,
    session: z.string(),
    entry: path,
    exit: path,
    events: z.int().min(1),
    /** Of `events`, how many were counted and not kept. */
    uncounted: z.int().min(0),
    pages: z.int().min(1),
    durationMs: z.int().min(0),
  }),
})

/** The site itself says who a visitor is, by a name of its own. */
export const VisitorIdentified = defineEvent('visitor.identified', {
  ...family,
  description: 'The site said who a visitor is',
  schema: z.object({ ...common, user: z.string().min(1).max(128), path }),
})

/** A link that leaves the site was followed. */
export const LinkClicked = defineEvent('link.clicked', {
  ...family,
  description: 'A link that leaves the site was followed',
  schema: z.object({ ...common, path, target: z.string().min(1).max(512) }),
})

/** How far down a page was read when it was left, in percent. */
export const ScrollMeasured = defineEvent('scroll.measured', {
  ...family,
  description: 'How far down a page was read',
  schema: z.object({ ...common, path, percent: z.int().min(0).max(100) }),
})

/** What a page load felt like: largest paint and slowest interaction in milliseconds, layout shift as a score. */
export const PerformanceMeasured = defineEvent('performance.measured', {
  ...family,
  description: 'What a page load felt like',
  schema: z.object({
    ...common,
    path,
    lcp: z.number().min(0).max(600_000).optional(),
    cls: z.number().min(0).max(1_000).optional(),
    inp: z.number().min(0).max(600_000).optional(),
  }),
})

/** A request that a person made came back with a status of 400 or more, did not come back, or a script failed. */
export const RequestFailed = defineEvent('request.failed', {
  ...family,
  description: 'A request of a person failed',
  schema: z.object({
    ...common,
    path,
    /** Absent when there was no answer. */
    status: status.optional(),
    reason: z.enum(['status', 'network', 'script']),
    detail: z.string().max(200).optional(),
  }),
})

/** A crawler asked for something, whatever it was and whatever it got. */
export const CrawlerSeen = defineEvent('crawler.seen', {
  ...family,
  description: 'A crawler asked for something',
  schema: z.object({ ...common, name: z.string().min(1).max(64), path, status: status.optional() }),
})

export const RESOURCE_KINDS = ['image', 'style', 'script', 'font', 'download', 'feed', 'redirect', 'other'] as const
export type ResourceKind = (typeof RESOURCE_KINDS)[number]

/** A person's request for something that is no page: images, styles, feeds. Only logs know of them. */
export const ResourceRequested = defineEvent('resource.requested', {
  ...family,
  description: 'A request for something that is no page',
  schema: z.object({ ...common, path, kind: z.enum(RESOURCE_KINDS), status }),
})

/** A beacon or a log line that cannot be used. Its subscription refuses it, so it waits among the dead letters. */
export const AnalyticsRejected = defineEvent('analytics.rejected', {
  version: 1,
  topic: ANALYTICS_TOPIC,
  description: 'A beacon or a log line that cannot be used',
  schema: z.object({
    from: z.enum(['beacon', 'log']),
    origin,
    visitor: visitor.optional(),
    reason: z.string().max(200),
    /** The input as it came: control characters escaped, cut at 2,000 characters. */
    raw: z.string().max(2_000),
    truncated: z.boolean(),
    /** Of the log file, from 1. */
    line: z.int().min(1).optional(),
  }),
})

/** What visitors and crawlers did. */
export type AnalyticsEvent =
  | EventOf<typeof PageViewed>
  | EventOf<typeof SessionStarted>
  | EventOf<typeof SessionEnded>
  | EventOf<typeof VisitorIdentified>
  | EventOf<typeof LinkClicked>
  | EventOf<typeof ScrollMeasured>
  | EventOf<typeof PerformanceMeasured>
  | EventOf<typeof RequestFailed>
  | EventOf<typeof CrawlerSeen>
  | EventOf<typeof ResourceRequested>

/** Every definition of the application, for `createMillrace({ events })`. */
export const ANALYTICS_EVENTS = [
  PageViewed,
  SessionStarted,
  SessionEnded,
  VisitorIdentified,
  LinkClicked,
  ScrollMeasured,
  PerformanceMeasured,
  RequestFailed,
  CrawlerSeen,
  ResourceRequested,
  AnalyticsRejected,
] as const
