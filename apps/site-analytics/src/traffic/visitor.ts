import type { Chance } from './random.ts'

/** One request of a pretended visitor: a body for the endpoint and who seems to send it. */
export interface Beacon {
  readonly address: string
  readonly userAgent: string
  readonly body: string
}

/** A pretended visitor on its way through the site. */
export interface Visitor {
  /** What it sends next, or undefined when it has left; `id` gives ids, `now` is on our clock. */
  next(now: number): Beacon | undefined
  /** Milliseconds until then. */
  pause(): number
}

type Choices = readonly [string, ...string[]]

const BROWSERS: Choices = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36',
  'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0',
]
const CRAWLERS: Choices = [
  'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
  'Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)',
  'Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)',
  'DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)',
]
const REFERRERS: Choices = [
  '',
  '',
  '',
  'https://www.google.com/',
  'https://www.google.com/',
  'https://duckduckgo.com/',
  'https://www.instagram.com/',
  'https://craftscouncil.example/makers',
  'https://www.pinterest.com/',
  'https://newsletter.example/spring',
]
const LINKS: Readonly<Record<string, Choices>> = {
  '/': ['/collection', '/collection', '/workshop', '/courses', '/visit'],
  '/collection': ['/collection/bowls', '/collection/jugs', '/collection/lidded-jars', '/visit', '/'],
  '/collection/bowls': ['/collection/jugs', '/visit', '/collection'],
  '/collection/jugs': ['/collection/bowls', '/visit', '/courses'],
  '/collection/lidded-jars': ['/collection/bowls', '/collection'],
  '/workshop': ['/courses', '/collection', '/glaze-archive'],
  '/courses': ['/visit', '/workshop', '/'],
  '/visit': ['/', '/courses'],
  '/glaze-archive': ['/', '/workshop'],
}
const ENTRIES: Choices = ['/', '/', '/', '/collection', '/courses', '/collection/bowls', '/workshop']
const OUTBOUND: Choices = [
  'https://www.openstreetmap.org/directions',
  'https://craftscouncil.example/makers/aldermill',
  'https://timetable.example/aldermill',
]
const MALFORMED: Choices = [
  '{"events":[{"type":"page.viewed","data":{"path":"/collection',
  '{"events":[{"type":"page.viewed","data":{"path":"javascript:alert(1)"}}]}',
  '{"events":[{"type":"scroll.measured","data":{"path":"/courses","percent":4000}}]}',
  '{"events":[{"type":"cart.emptied","data":{"path":"/"}}]}',
  'utm_source=newsletter&page=%2Fcourses',
]
const MISSING = '/glaze-archive'
const READING_MS = 9_000

/** Makes the next visitor: mostly people who follow links of the site, now and then a crawler or a broken sender. */
export function createVisitor(number: number, chance: Chance, id: () => string): Visitor {
  // A network that is set aside for documentation (RFC 5737): nobody's address.
  const address = `198.51.100.${number % 250}:${number}`
  if (chance.happens(0.16)) return crawler(address, chance, id)
  if (chance.happens(0.07)) return once({ address, userAgent: chance.pick(BROWSERS), body: chance.pick(MALFORMED) })
  return person(address, chance, id)
}

function person(address: string, chance: Chance, id: () => string): Visitor {
  const userAgent = chance.pick(BROWSERS)
  let referrer = chance.pick(REFERRERS)
  let path = chance.pick(ENTRIES)
  let left = Math.max(1, Math.round(chance.around(4)))
  let lastAt = 0
  let reading: { readonly path: string; readonly page: string } | undefined
  return {
    pause: () => chance.around(READING_MS),
    next(now) {
      // What the last page was like comes with the next page, as the real client's batches do.
      const events: unknown[] = reading === undefined ? [] : leaving(reading, { chance, id, at: lastAt })
      if (left === 0) {
        if (reading === undefined) return undefined
        reading = undefined
        return { address, userAgent, body: JSON.stringify({ now, events }) }
      }
      left -= 1
      const page = id()
      const at = now
      if (path === MISSING)
        events.push({ id: id(), page, type: 'request.failed', at, data: { path, status: 404, reason: 'status' } })
      else events.push({ id: id(), page, type: 'page.viewed', at, data: { path, referrer, title: titleOf(path) } })
      if (chance.happens(0.02)) {
        const data = { path, reason: 'script', detail: 'Cannot read properties of undefined (reading "price")' }
        events.push({ id: id(), page, type: 'request.failed', at, data })
      }
      reading = { path, page }
      referrer = `https://aldermill.example${path}`
      path = chance.pick(LINKS[path] ?? ['/'])
      lastAt = now
      return { address, userAgent, body: JSON.stringify({ now, events }) }
    },
  }
}

function leaving(
  { path, page }: { readonly path: string; readonly page: string },
  { chance, id, at }: { chance: Chance; id: () => string; at: number },
): unknown[] {
  const lcp = Math.round(chance.around(1_300))
  const cls = Math.round(chance.next() ** 4 * 300) / 1_000
  const inp = Math.round(chance.around(110))
  const percent = Math.min(100, Math.round(chance.around(70)))
  const events: unknown[] = [
    { id: id(), page, type: 'scroll.measured', at: at + 1, data: { path, percent } },
    { id: id(), page, type: 'performance.measured', at: at + 1, data: { path, lcp, cls, inp } },
  ]
  if (path === '/visit' || chance.happens(0.04)) {
    events.push({ id: id(), page, type: 'link.clicked', at: at + 2, data: { path, target: chance.pick(OUTBOUND) } })
  }
  return events
}

function crawler(address: string, chance: Chance, id: () => string): Visitor {
  const userAgent = chance.pick(CRAWLERS)
  let left = 3 + Math.floor(chance.next() * 6)
  return {
    pause: () => chance.around(1_500),
    next(now) {
      if (left === 0) return undefined
      left -= 1
      const path = chance.pick(ENTRIES)
      const events = [{ id: id(), page: id(), type: 'page.viewed', at: now, data: { path, referrer: '' } }]
      return { address, userAgent, body: JSON.stringify({ now, events }) }
    },
  }
}

function once(beacon: Beacon): Visitor {
  let sent = false
  return {
    pause: () => 1_000,
    next() {
      if (sent) return undefined
      sent = true
      return beacon
    },
  }
}

function titleOf(path: string): string {
  const last = path.split('/').at(-1)?.replaceAll('-', ' ') ?? ''
  return last === '' ? 'Aldermill Pottery' : `${last.slice(0, 1).toUpperCase()}${last.slice(1)} · Aldermill Pottery`
}
