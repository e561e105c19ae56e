import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { REJECTED_GROUP } from '../src/ingest/subscribe-rejected.ts'
import { eventually, startApplication, type Application } from './application.ts'

let app: Application
beforeAll(async () => {
  app = await startApplication()
})
afterAll(() => app.close())

async function events(
  type: string,
): Promise<readonly { id: string; data: Record<string, unknown>; timestamp: string }[]> {
  const page = await app.millrace.read({ types: [type], limit: 1_000 })
  return page.events.map(({ id, data, timestamp }) => ({ id, timestamp, data: data as Record<string, unknown> }))
}

describe('POST /api/analytics/events', () => {
  it('answers 202 for one event that is stored, with a visitor and without the query', async () => {
    const id = randomUUID()
    const response = await app.post({
      id,
      type: 'page.viewed',
      data: { path: '/one?secret=1#x', referrer: 'https://www.google.com/search?q=private' },
    })
    expect(response.status).toBe(202)
    expect(await response.json()).toMatchObject({ stored: 1, refused: 0, results: [{ id, outcome: 'stored' }] })
    const [stored] = await app.millrace.find(id)
    expect(stored).toMatchObject({ topic: 'analytics', data: { path: '/one', referrer: 'google.com', origin: 'web' } })
    expect(stored?.key).toMatch(/^[0-9a-f]{24}$/)
  })

  it('takes what sendBeacon sends: text/plain, a list, the clock of the sender', async () => {
    const page = randomUUID()
    const ids = [randomUUID(), randomUUID()]
    const body = JSON.stringify({
      now: 5_000_000,
      events: [
        { id: ids[0], page, type: 'page.viewed', at: 4_990_000, data: { path: '/beacon', title: 'B', referrer: '' } },
        { id: ids[1], page, type: 'scroll.measured', at: 5_000_000, data: { path: '/beacon', percent: 80 } },
      ],
    })
    const response = await app.post(body, { 'content-type': 'text/plain;charset=UTF-8' })
    expect(response.status).toBe(202)
    const flow = await app.millrace.trace(page)
    expect(flow.map(({ type }) => type)).toEqual(expect.arrayContaining(['page.viewed', 'scroll.measured']))
    const [first, second] = await Promise.all(ids.map((id) => app.millrace.find(id)))
    const apart = Date.parse(second?.[0]?.timestamp ?? '') - Date.parse(first?.[0]?.timestamp ?? '')
    expect(apart).toBe(10_000)
  })

  it('does not let a bad item spoil the rest, and keeps it', async () => {
    const good = randomUUID()
    const response = await app.post([
      { type: 'page.viewed', data: { path: 'no-slash' } },
      { id: good, type: 'page.viewed', data: { path: '/good' } },
      { type: 'scroll.measured', data: { path: '/good', percent: 400 } },
      null,
    ])
    expect(response.status).toBe(202)
    const { stored, refused, results } = (await response.json()) as {
      stored: number
      refused: number
      results: { outcome: string; reason?: string }[]
    }
    expect([stored, refused]).toEqual([1, 3])
    expect(results.map(({ outcome }) => outcome)).toEqual(['rejected', 'stored', 'rejected', 'rejected'])
    expect(results[0]?.reason).toBe('The path does not begin with /')
    expect(results[2]?.reason).toBe('The data does not fit at data.percent')
    expect(await app.millrace.find(good)).toHaveLength(1)
  })

  it('stores a resent event once', async () => {
    const event = { id: randomUUID(), type: 'page.viewed', data: { path: '/resent' } }
    for (let time = 0; time < 3; time += 1) expect((await app.post(event)).status).toBe(202)
    expect((await events('page.viewed')).filter(({ data }) => data['path'] === '/resent')).toHaveLength(1)
    const summary = await eventually(
      () => app.summary(),
      ({ pages }) => pages.some(({ name }) => name === '/resent'),
    )
    expect(summary.pages.find(({ name }) => name === '/resent')?.count).toBe(1)
  })

  it.each([
    ['not JSON', '{"type":"page.vi', 400],
    ['empty', '', 400],
    ['no events', '{"events":[]}', 400],
    ['too many events', JSON.stringify(Array.from({ length: 101 }, () => ({}))), 413],
    ['too large', JSON.stringify({ type: 'page.viewed', data: { path: '/', title: 'x'.repeat(70_000) } }), 413],
    ['a type of the server', JSON.stringify({ type: 'session.ended', data: { path: '/' } }), 400],
    ['a forged visitor only', JSON.stringify({ type: 'link.clicked', data: { path: '/', target: '' } }), 400],
  ])('refuses a body that is %s', async (_, body, status) => {
    const before = (await events('analytics.rejected')).length
    expect((await app.post(body)).status).toBe(status)
    const rejected = await events('analytics.rejected')
    expect(rejected).toHaveLength(before + 1)
    expect(String(rejected.at(-1)?.data['raw']).length).toBeLessThanOrEqual(2_000)
  })

  it('never lets the sender choose who it is', async () => {
    const id = randomUUID()
    const data = { path: '/forged', visitor: 'f'.repeat(24), origin: 'log' }
    await app.post(
      { id, type: 'page.viewed', data },
      { 'x-site-analytics-address': '10.0.0.1', 'x-site-analytics-generated': 'guess' },
    )
    const [stored] = await app.millrace.find(id)
    expect(stored?.data).toMatchObject({ origin: 'web' })
    expect(stored?.key).not.toBe('f'.repeat(24))
  })

  it.each([{ dnt: '1' }, { 'sec-gpc': '1' }])('stores nothing for who sends %j', async (headers) => {
    const before = (await events('page.viewed')).length
    expect((await app.post({ type: 'page.viewed', data: { path: '/private' } }, headers)).status).toBe(204)
    expect((await events('page.viewed')).length).toBe(before)
  })

  it('counts crawlers apart', async () => {
    const response = await app.post(
      { type: 'page.viewed', data: { path: '/crawled' } },
      { 'user-agent': 'Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)' },
    )
    expect(response.status).toBe(202)
    expect(await events('crawler.seen')).toMatchObject([{ data: { name: 'bingbot', path: '/crawled' } }])
  })

  it('answers other methods and paths clearly', async () => {
    expect((await fetch(`${app.url}/api/analytics/events`)).status).toBe(405)
    expect((await fetch(`${app.url}/api/analytics/other`, { method: 'POST' })).status).toBe(404)
  })

  it('cannot be used by a page of another site', async () => {
    expect(
      (await app.post({ type: 'page.viewed', data: { path: '/' } }, { origin: 'https://evil.example' })).status,
    ).toBe(403)
  })
})

const MISSPELT = /page\.vie(wd|ved)/

describe('what cannot be used', () => {
  it('waits among the dead letters, grouped by reason, and is taken in when it was repaired', async () => {
    const mark = `/repaired-${randomUUID()}`
    await app.post([
      { type: 'page.viewd', data: { path: mark } },
      { type: 'page.vieved', data: { path: '/x' } },
    ])
    const filter = { group: REJECTED_GROUP }
    const letters = await eventually(
      () => app.millrace.deadLetters.list(filter),
      (list) => list.filter(({ body }) => MISSPELT.test(body)).length === 2,
    )
    const mine = letters.filter(({ body }) => MISSPELT.test(body))
    expect(new Set(mine.map(({ fingerprint }) => fingerprint)).size).toBe(1)
    const letter = mine.find(({ body }) => body.includes(mark))
    const data = letter?.event?.data as { raw: string }
    const { eventId } = await app.millrace.deadLetters.edit(letter?.id ?? '', {
      ...data,
      raw: data.raw.replace('viewd', 'viewed'),
    })
    const seen = await eventually(
      () => app.millrace.read({ types: ['page.viewed'], limit: 1_000 }),
      ({ events: list }) => list.some((event) => (event.data as { path: string }).path === mark),
    )
    const repaired = seen.events.find((event) => (event.data as { path: string }).path === mark)
    expect(repaired?.metadata.causationId).toBe(eventId)
    // The visitor of the bad beacon is known, so the repaired view is theirs.
    expect(repaired?.key).toMatch(/^[0-9a-f]{24}$/)
  })
})

describe('visitors', () => {
  it('are other ones the next day, and the salt of the day before is gone', async () => {
    const salts = (): readonly string[] => readdirSync(app.folder).filter((name) => name.startsWith('visitor-salt-'))
    const visit = async (): Promise<string | undefined> => {
      const id = randomUUID()
      await app.post({ id, type: 'page.viewed', data: { path: '/day' } })
      return (await app.millrace.find(id))[0]?.key
    }
    const [first, again] = [await visit(), await visit()]
    expect(again).toBe(first)
    const [today = ''] = salts()
    const salt = readFileSync(`${app.folder}/${today}`, 'utf8')
    app.runtime.skew += 24 * 60 * 60_000
    expect(await visit()).not.toBe(first)
    expect(existsSync(`${app.folder}/${today}`)).toBe(false)
    expect(salts()).toHaveLength(1)
    expect(readFileSync(`${app.folder}/${salts()[0] ?? ''}`, 'utf8')).not.toBe(salt)
    app.runtime.skew -= 24 * 60 * 60_000
  })
})

describe('the beacon', () => {
  it('is below 2 KiB as it is served', async () => {
    // Not by fetch, which unpacks: what travels is what counts.
    const bytes = await new Promise<Buffer>((resolve, reject) => {
      get(`${app.url}/apps/site-analytics/beacon.js`, { headers: { 'accept-encoding': 'gzip' } }, (incoming) => {
        const parts: Buffer[] = []
        incoming.on('data', (part: Buffer) => parts.push(part))
        incoming.on('end', () => resolve(Buffer.concat(parts)))
      }).on('error', reject)
    })
    expect(gunzipSync(bytes).toString()).toContain('sendBeacon')
    expect(bytes.byteLength).toBeLessThan(2_048)
  })
})

it('serves its pages under a strict policy, without a script in them', async () => {
  for (const path of ['/apps/site-analytics/', '/apps/site-analytics/site/', '/apps/site-analytics/site/collection']) {
    const response = await fetch(app.url + path)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self';")
    const html = await response.text()
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=/)
  }
  expect((await fetch(`${app.url}/apps/site-analytics/site/glaze-archive`)).status).toBe(404)
})
