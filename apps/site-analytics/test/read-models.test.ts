import { randomUUID } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createMemoryEngine, memory } from '@millrace/core/memory'
import { describe, expect, it } from 'vitest'
import { importLog, PageViewed, type SiteAnalytics } from '../src/index.ts'
import { CRAWLERS_GROUP } from '../src/read-models/crawlers.ts'
import { TRAFFIC_GROUP } from '../src/read-models/traffic.ts'
import { SESSIONS_GROUP } from '../src/sessions/sessions.ts'
import { eventually, startApplication, type Application } from './application.ts'

const MINUTE = 60_000
const VISITOR = 'a'.repeat(24)

async function handled(app: Application): Promise<void> {
  await eventually(
    () => app.millrace.groups(),
    (groups) => groups.length === 4 && groups.every(({ lag, lane }) => lag === 0 && lane.waiting === 0),
  )
}

function line(
  second: number,
  path: string,
  { status = 200, agent = 'Mozilla/5.0 (X11) Firefox/143.0', referrer = '-' } = {},
): string {
  const time = new Date(Date.UTC(2024, 0, 1, 10, 0, second)).toISOString().slice(11, 19)
  return `192.0.2.1 - - [01/Jan/2024:${time} +0000] "GET ${path} HTTP/1.1" ${status} 10 "${referrer}" "${agent}"`
}

function importFile(app: Application, path: string): ReturnType<typeof importLog> {
  return importLog(path, { ...app, visitorOf: () => VISITOR })
}

describe('importing', () => {
  it('stores each line once, however often it is imported, and equal lines as often as they are there', async () => {
    await using app = await startApplication()
    const path = join(app.folder, 'a.log')
    const lines = [line(1, '/'), line(1, '/'), line(2, '/b'), 'rubbish', 'rubbish', line(3, '/c.png'), '']
    writeFileSync(path, lines.join('\n') + '\n')
    expect(await importFile(app, path)).toMatchObject({ lines: 7, events: 4, rejected: 3, duplicates: 0 })
    expect(await importFile(app, path)).toMatchObject({ lines: 7, events: 0, rejected: 0, duplicates: 7 })
    // The log has grown: what is new is stored, the rest is not stored again.
    writeFileSync(path, [...lines, line(4, '/d')].join('\n'))
    expect(await importFile(app, path)).toMatchObject({ lines: 8, events: 1, duplicates: 7 })
    await handled(app)
    const { totals } = await app.summary('log')
    expect(totals).toMatchObject({ pages: 4, resources: 1, failures: 0, visitors: 1, visits: 1 })
  })

  it('keeps bad lines with their number among the dead letters, and takes one in that was repaired', async () => {
    await using app = await startApplication()
    const path = join(app.folder, 'bad.log')
    const cut = line(5, '/late').slice(0, -5)
    writeFileSync(
      path,
      Buffer.concat([
        Buffer.from(`${line(1, '/')}\n${cut}\n`),
        Buffer.from([0xff, 0, 1, 10]),
        Buffer.from('x'.repeat(1_000_000)),
      ]),
    )
    expect(await importFile(app, path)).toMatchObject({ lines: 4, events: 1, rejected: 3 })
    const letters = await eventually(
      () => app.millrace.deadLetters.list(),
      (list) => list.length === 3,
    )
    const data = letters.map(
      ({ event }) => event?.data as { line: number; reason: string; raw: string; truncated: boolean },
    )
    expect(
      data.map(({ line: number, reason, truncated }) => [number, reason, truncated] as const).sort(([a], [b]) => a - b),
    ).toEqual([
      [2, 'The line is not in the combined format', false],
      [3, 'The line holds binary data', false],
      [4, 'The line is longer than 64 KiB', true],
    ])
    const letter = letters.find(({ event }) => (event?.data as { line: number } | undefined)?.line === 2)
    await app.millrace.deadLetters.edit(letter?.id ?? '', { ...(letter?.event?.data as object), raw: line(5, '/late') })
    await eventually(
      () => app.summary('log'),
      ({ pages }) => pages.some(({ name }) => name === '/late'),
    )
  })

  it('stops when it is told to, and goes on where it ended', async () => {
    await using app = await startApplication()
    const path = join(app.folder, 'long.log')
    writeFileSync(path, Array.from({ length: 2_000 }, (_, index) => line(index % 60, `/p${index}`)).join('\n'))
    const stop = new AbortController()
    const options = { ...app, visitorOf: () => VISITOR, signal: stop.signal, onProgress: () => stop.abort() }
    await expect(importLog(path, options)).rejects.toMatchObject({ code: 'aborted' })
    expect(await importFile(app, path)).toMatchObject({ lines: 2_000, events: 1_500, duplicates: 500 })
  })
})

describe('effects', () => {
  it('are once when events are delivered again', async () => {
    await using app = await startApplication()
    const path = join(app.folder, 'a.log')
    writeFileSync(path, Array.from({ length: 300 }, (_, index) => line(index % 60, `/p${index % 7}`)).join('\n'))
    await importFile(app, path)
    await handled(app)
    const before = await app.summary('log')
    for (const group of [TRAFFIC_GROUP, SESSIONS_GROUP, CRAWLERS_GROUP]) {
      await app.millrace.replay({ group, from: 'earliest' })
    }
    await handled(app)
    const after = await app.summary('log')
    expect({ ...after, now: 0 }).toEqual({ ...before, now: 0 })
    expect(after.totals.pages).toBe(300)
  })

  it('can be dropped and built again from the log of events to equal numbers', async () => {
    const engine = memory({ engine: createMemoryEngine() })
    const first = await startApplication({ engine, keepFolder: true })
    const path = join(first.folder, 'a.log')
    const lines = Array.from({ length: 400 }, (_, index) =>
      line(index % 60, `/p${index % 9}`, {
        status: index % 10 === 0 ? 404 : 200,
        agent: index % 4 === 0 ? 'Googlebot/2.1' : 'Mozilla/5.0 (X11) Firefox/143.0',
      }),
    )
    writeFileSync(path, lines.join('\n'))
    await importFile(first, path)
    await handled(first)
    const before = await first.summary('log')
    await first.close()
    rmSync(join(first.folder, 'site-analytics.db'))

    await using second = await startApplication({ engine, folder: first.folder })
    for (const group of [TRAFFIC_GROUP, SESSIONS_GROUP, CRAWLERS_GROUP]) {
      await second.millrace.replay({ group, from: 'earliest' })
    }
    await handled(second)
    expect({ ...(await second.summary('log')), now: 0 }).toEqual({ ...before, now: 0 })
  })
})

async function view(app: Application, at: number, path: string, visitor = VISITOR): Promise<void> {
  await app.millrace.publish(
    PageViewed,
    { visitor, origin: 'web', path, referrer: 'direct' },
    { timestamp: new Date(at) },
  )
}

/** Maintenance as the timer would do it, at a later time. */
async function maintainAfter(app: Application, analytics: SiteAnalytics, ms: number): Promise<void> {
  app.runtime.skew += ms
  await analytics.maintain()
}

describe('sessions', () => {
  it('end after 30 minutes of silence, by event time and not before', async () => {
    await using app = await startApplication()
    const start = app.runtime.now()
    await view(app, start, '/')
    await view(app, start + 10_000, '/next')
    await handled(app)
    await maintainAfter(app, app.analytics, 29 * MINUTE)
    expect((await app.summary()).totals).toMatchObject({ visits: 1, openVisits: 1 })
    await maintainAfter(app, app.analytics, 2 * MINUTE)
    expect((await app.summary()).totals).toMatchObject({ visits: 1, openVisits: 0 })
    const { events } = await eventually(
      () => app.millrace.read({ types: ['session.ended'] }),
      (page) => page.events.length === 1,
    )
    expect(events[0]).toMatchObject({
      key: VISITOR,
      timestamp: new Date(start + 10_000).toISOString(),
      data: { entry: '/', exit: '/next', events: 2, pages: 2, uncounted: 0, durationMs: 10_000 },
    })
  })

  it('keep 1,000 events and count the rest', async () => {
    await using app = await startApplication()
    const start = app.runtime.now()
    const list = Array.from({ length: 1_010 }, (_, index) =>
      PageViewed.create(
        { visitor: VISITOR, origin: 'web', path: `/${index}`, referrer: 'direct' },
        { timestamp: new Date(start + index) },
      ),
    )
    await app.millrace.publishBatch(list.slice(0, 1_000))
    await app.millrace.publishBatch(list.slice(1_000))
    await handled(app)
    await maintainAfter(app, app.analytics, 31 * MINUTE)
    const { events } = await eventually(
      () => app.millrace.read({ types: ['session.ended'] }),
      (page) => page.events.length === 1,
    )
    expect(events[0]?.data).toMatchObject({ events: 1_010, uncounted: 10, pages: 1_010 })
  })

  it('are forgotten one by one after 48 hours, and stay in the totals', async () => {
    await using app = await startApplication()
    await view(app, app.runtime.now(), '/')
    await handled(app)
    await maintainAfter(app, app.analytics, 31 * MINUTE)
    expect((await app.summary()).visits).toHaveLength(1)
    await maintainAfter(app, app.analytics, 49 * 60 * MINUTE)
    const { visits } = await app.summary()
    expect(visits).toHaveLength(0)
  })
})

describe('flows.md', () => {
  const text = readFileSync(new URL('../flows.md', import.meta.url), 'utf8')
  const flows = [...text.matchAll(/^`([a-z.]+(?: -> [a-z.]+)+)`$/gm)].map(([, flow = '']) => flow.split(' -> '))

  it('names the flows that are tested here', () => {
    expect(flows.map((flow) => flow.join(' -> '))).toEqual([
      'page.viewed -> session.started -> scroll.measured -> performance.measured -> link.clicked -> session.ended',
      'analytics.rejected -> page.viewed -> session.started',
    ])
  })

  it('has a visit under one correlation id', async () => {
    await using app = await startApplication()
    const page = randomUUID()
    const event = (type: string, data: object): object => ({
      id: randomUUID(),
      page,
      type,
      data: { path: '/a', ...data },
    })
    await app.post([event('page.viewed', {})])
    await handled(app)
    await app.post([
      event('scroll.measured', { percent: 50 }),
      event('performance.measured', { lcp: 900 }),
      event('link.clicked', { target: 'https://x.example/' }),
    ])
    await handled(app)
    await maintainAfter(app, app.analytics, 31 * MINUTE)
    const flow = await eventually(
      () => app.millrace.trace(page),
      (list) => list.length === flows[0]?.length,
    )
    expect(new Set(flow.map(({ metadata }) => metadata.correlationId))).toEqual(new Set([page]))
    expect(flow.map(({ type }) => type)).toEqual(flows[0])
    const [viewed, started] = flow
    expect(started?.metadata.causationId).toBe(viewed?.id)
    expect(flow.at(-1)?.metadata.causationId).toBe(started?.id)
  })

  it('has a repair under one correlation id', async () => {
    await using app = await startApplication()
    await app.post([{ type: 'page.viewd', data: { path: '/a' } }])
    const [letter] = await eventually(
      () => app.millrace.deadLetters.list(),
      (list) => list.length === 1,
    )
    const data = letter?.event?.data as { raw: string }
    await app.millrace.deadLetters.edit(letter?.id ?? '', { ...data, raw: data.raw.replace('viewd', 'viewed') })
    const correlationId = letter?.event?.metadata.correlationId ?? ''
    const flow = await eventually(
      () => app.millrace.trace(correlationId),
      (list) => list.some(({ type }) => type === 'session.started'),
    )
    expect(flow.map(({ type }) => type).filter((type, index, all) => all.indexOf(type) === index)).toEqual(flows[1])
  })
})
