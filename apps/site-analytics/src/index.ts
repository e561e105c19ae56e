/** Site analytics: a reference application of Millrace. */
export { createSiteAnalytics } from './site-analytics.ts'
export type { Role, SiteAnalytics, SiteAnalyticsMount, SiteAnalyticsOptions } from './site-analytics.ts'
export {
  ANALYTICS_EVENTS,
  ANALYTICS_TOPIC,
  AnalyticsRejected,
  CrawlerSeen,
  LinkClicked,
  PageViewed,
  PerformanceMeasured,
  RequestFailed,
  ResourceRequested,
  ScrollMeasured,
  SessionEnded,
  SessionStarted,
  VisitorIdentified,
} from './events.ts'
export type { AnalyticsEvent, Origin } from './events.ts'
export { importedVisitorHash } from './ingest/daily-salt.ts'
export { importLog } from './log/import-log.ts'
export type { ImportOptions, ImportReport } from './log/import-log.ts'
export { engineFromUrl } from './engine-url.ts'
export { runServer } from './run-server.ts'
export type { RunOptions } from './run-server.ts'
