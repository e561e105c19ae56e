import { existsSync, readFileSync } from 'node:fs'
import { mkdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { sqlite } from '@millrace/sqlite'
import { isbot } from 'isbot'
import { beforeAll, describe, expect, it } from 'vitest'
import { importedVisitorHash, importLog } from '../src/index.ts'
import type { ImportReport } from '../src/log/import-log.ts'
import type { Summary } from '../src/read-models/summary.ts'
import { eventually, startApplication } from './application.ts'

/** 7,000 requests to a real site; not part of the repository, but laid beside the checkout where this is developed. */
const LOG = fileURLToPath(new URL('../../../../shared/data/access.log', import.meta.url))
const isThere = existsSync(LOG)
if (!isThere)
  process.stderr.write(`\nNOT TESTED: the real access log is not at ${LOG}; the tests of its import are skipped.\n\n`)

describe.skipIf(!isThere)('the real access log', () => {
  let first: ImportReport
  let second: ImportReport
  let summary: Summary
  let published = 0

  beforeAll(async () => {
    const folder = `/tmp/site-analytics-log-${process.pid}`
    mkdirSync(folder, { recursive: true })
    try {
      await using app = await startApplication({ engine: sqlite(`${folder}/millrace.db`), folder })
      const options = { ...app, visitorOf: importedVisitorHash(folder) }
      first = await importLog(LOG, options)
      summary = await eventually(
        () => app.summary('log'),
        ({ totals }) => totals.requests + totals.crawlers === 7_000,
        120_000,
      )
      second = await importLog(LOG, options)
      for (let next: string | undefined; ;) {
        const page = await app.millrace.read({
          topics: ['analytics'],
          limit: 1_000,
          ...(next === undefined ? {} : { after: next }),
        })
        if (page.events.length === 0) break
        published += page.events.filter(({ type }) => !type.startsWith('session.')).length
        next = page.next
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  // The expected figures are counted here in another way: fields by the quotes, and plain comparisons.
  const requests = isThere
    ? readFileSync(LOG, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => {
          const [head = '', request = '', status = '', referrer = '', , userAgent = ''] = line.split('"')
          const [method = '', target = ''] = request.split(' ')
          return {
            address: head.split(' ')[0] ?? '',
            day: head.slice(head.indexOf('[') + 1).slice(0, 11),
            method,
            target,
            status: Number(status.trim().slice(0, 3)),
            referrer,
            userAgent,
          }
        })
    : []
  const people = requests.filter(({ userAgent }) => !isbot(userAgent))
  const answered = people.filter(({ status }) => status < 400)
  const isPage = ({ target, method, status }: (typeof requests)[number]): boolean => {
    const path = target.replace(/[?#].*/, '')
    const name = path.slice(path.lastIndexOf('/') + 1)
    return (
      method === 'GET' &&
      (status < 300 || status === 304) &&
      !/[?&]flav=(rss|atom)/.test(target) &&
      (/\.(x?html?|php|aspx?|jsp)$/.test(name) || !/\.[a-z][a-z0-9]{0,11}$/i.test(name))
    )
  }
  const pages = answered.filter(isPage)

  it('is stored line by line, and nothing when it is imported again', () => {
    expect(first).toMatchObject({ lines: 7_000, events: 7_000, rejected: 0, duplicates: 0 })
    expect(second).toMatchObject({ lines: 7_000, events: 0, rejected: 0, duplicates: 7_000 })
    expect(published).toBe(7_000)
  })

  it('gives the totals that a plain count gives', () => {
    expect(summary.totals).toMatchObject({
      crawlers: requests.length - people.length,
      crawlerFailures: requests.filter(({ userAgent, status }) => isbot(userAgent) && status >= 400).length,
      failures: people.length - answered.length,
      pages: pages.length,
      resources: answered.length - pages.length,
    })
    const charted = summary.series.pages.reduce((sum, value) => sum + value, 0)
    expect(charted).toBe(pages.length)
  })

  it('gives the visitors of each day, and visits that hold every page once', () => {
    const seen = new Set(
      people
        .filter((request) => isPage(request) || request.status >= 400)
        .map(({ address, day, userAgent }) => `${day} ${address} ${userAgent}`),
    )
    expect(summary.totals.visitors).toBe(seen.size)
    expect((summary.totals.pagesAVisit ?? 0) * summary.totals.visits).toBeCloseTo(pages.length, 5)
  })

  it('gives the most visited pages and where visitors came from', () => {
    const counts = (names: readonly string[]): readonly { name: string; count: number }[] => {
      const found = new Map<string, number>()
      for (const name of names) found.set(name, (found.get(name) ?? 0) + 1)
      return [...found]
        .map(([name, count]) => ({ name, count }))
        .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
    }
    const paths = counts(pages.map(({ target }) => target.replace(/[?#].*/, '')))
    expect(summary.pages.map(({ name, count }) => ({ name, count }))).toEqual(paths.slice(0, 10))
    const google = pages.filter(({ referrer }) => /^https?:\/\/(www\.)?google\.com(:\d+)?(\/|$)/.test(referrer)).length
    expect(summary.referrers.find(({ name }) => name === 'google.com')?.count).toBe(google)
    expect(summary.referrers.some(({ name }) => name.includes('semicomplete.com'))).toBe(false)
  })
})
