import type { Subscription } from '@millrace/core'
import { CrawlerSeen } from '../events.ts'
import { firstTime } from './once.ts'
import type { ReadModelServices } from './services.ts'
import { countMinute, countName } from './tally.ts'

export const CRAWLERS_GROUP = 'site-analytics.crawlers'

/** Counts crawlers, apart from people. */
export function subscribeCrawlers({ millrace, runtime, database, commit }: ReadModelServices): Promise<Subscription> {
  return millrace.subscribe(
    CrawlerSeen,
    (event) =>
      commit.run(() => {
        if (!firstTime(database, CRAWLERS_GROUP, event, runtime.now())) return
        const at = Date.parse(event.timestamp)
        const { origin, name, status = 200 } = event.data
        countMinute(database, 'crawlers', origin, at)
        countName(database, 'crawler', { origin, at, name, failed: status >= 400 })
      }),
    { group: CRAWLERS_GROUP, from: 'earliest', concurrency: 256 },
  )
}
