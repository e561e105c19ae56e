import type { Count, Summary } from '../../read-models/summary.ts'
import { element } from './dom.ts'
import { dayAndTime, duration, number, percent } from './format.ts'

/** A list of names with their counts as bars. */
export function drawRanking(
  list: HTMLElement,
  counts: readonly Count[],
  { none, note }: { readonly none: string; readonly note?: (count: Count) => string },
): void {
  if (counts.length === 0) {
    list.replaceChildren(element('li', { class: 'none' }, none))
    return
  }
  const most = Math.max(...counts.map(({ count }) => count))
  const rows = counts.map((entry) => {
    const bar = element('span', { class: 'bar', 'aria-hidden': 'true' })
    bar.style.width = `${(entry.count / most) * 100}%`
    const extra = note?.(entry) ?? ''
    return element(
      'li',
      {},
      bar,
      element('span', { class: 'name', title: entry.name }, entry.name),
      element('span', { class: 'note' }, extra),
      element('span', { class: 'count' }, number(entry.count)),
    )
  })
  list.replaceChildren(...rows)
}

const PRESENT_MS = 5 * 60_000

const VITALS = [
  {
    key: 'lcp',
    name: 'Largest paint',
    good: 2_500,
    poor: 4_000,
    text: (value: number) => `${(value / 1_000).toFixed(1)} s`,
  },
  { key: 'inp', name: 'Interaction', good: 200, poor: 500, text: (value: number) => `${Math.round(value)} ms` },
  { key: 'cls', name: 'Layout shift', good: 0.1, poor: 0.25, text: (value: number) => value.toFixed(2) },
] as const

/** Web vitals with the bounds that Google publishes for good and poor (web.dev/vitals). */
export function drawVitals(list: HTMLElement, vitals: Summary['vitals']): void {
  const items = VITALS.map(({ key, name, good, poor, text }) => {
    const value = vitals[key]
    const judgement = value === undefined ? 'not measured' : value <= good ? 'good' : value <= poor ? 'fair' : 'poor'
    return element(
      'div',
      { class: judgement.replace(' ', '-') },
      element('dt', {}, name),
      element('dd', {}, value === undefined ? '–' : text(value), element('small', {}, judgement)),
    )
  })
  list.replaceChildren(...items)
}

export function drawVisits(body: HTMLElement, { visits, now }: Pick<Summary, 'visits' | 'now'>): void {
  if (visits.length === 0) {
    body.replaceChildren(element('tr', {}, element('td', { class: 'none', colspan: '7' }, 'No visit yet.')))
    return
  }
  const rows = visits.map((visit) =>
    element(
      'tr',
      {},
      element('td', {}, visitorMark(visit), ...(visit.origin === 'generated' ? [badge('generated')] : [])),
      element('td', {}, dayAndTime(visit.startedAt)),
      element('td', { class: 'path', title: visit.entry }, visit.entry),
      element('td', { class: 'path', title: visit.exit }, visit.exit),
      element('td', { class: 'number' }, number(visit.pages)),
      element('td', { class: 'number' }, duration(visit.durationMs)),
      element('td', {}, stateOf(visit, now)),
    ),
  )
  body.replaceChildren(...rows)
}

/** A visit is open until 30 minutes of silence, but its visitor is hardly there any more after five. */
function stateOf({ open, startedAt, durationMs }: Summary['visits'][number], now: number): HTMLElement {
  if (!open) return element('span', { class: 'state' }, 'ended')
  const isHere = now - startedAt - durationMs < PRESENT_MS
  return element('span', { class: isHere ? 'state open' : 'state' }, isHere ? 'on the site' : 'silent')
}

/** A name when the site has given one, else the beginning of the hash. */
function visitorMark({ visitor, user }: Summary['visits'][number]): HTMLElement {
  return user === undefined ? element('code', {}, visitor) : element('strong', {}, user)
}

export function badge(text: string): HTMLElement {
  return element('span', { class: 'badge' }, text)
}

/** The few numbers that say how things are. */
export function tilesOf({
  view,
  totals,
}: Summary): readonly { readonly id: string; readonly name: string; readonly value: string; readonly note: string }[] {
  const { pages, visitors, visits, requests, failures, crawlers, crawlerFailures, resources } = totals
  const period = view === 'live' ? 'in 24 hours' : 'in the log'
  const first =
    view === 'live'
      ? [
          {
            id: 'tile-live-visitors',
            name: 'Visitors now',
            value: number(totals.liveVisitors),
            note: 'in the last 5 minutes',
          },
          { id: 'tile-pages-a-minute', name: 'Pages a minute', value: number(totals.pagesAMinute), note: 'right now' },
        ]
      : [
          {
            id: 'tile-requests',
            name: 'Requests',
            value: number(requests + crawlers),
            note: `${number(resources)} of them no pages`,
          },
        ]
  const perVisit = totals.pagesAVisit === undefined ? '' : `, ${totals.pagesAVisit.toFixed(1)} pages each`
  return [
    ...first,
    { id: 'tile-page-views', name: 'Page views', value: number(pages), note: period },
    { id: 'tile-visitors', name: view === 'live' ? 'Visitors' : 'Visitor days', value: number(visitors), note: period },
    { id: 'tile-visits', name: 'Visits', value: number(visits), note: `${number(totals.openVisits)} open${perVisit}` },
    {
      id: 'tile-failed',
      name: 'Failed requests',
      value: number(failures),
      note: `${percent(failures, requests)} of people's requests`,
    },
    {
      id: 'tile-crawler-hits',
      name: 'Crawler requests',
      value: number(crawlers),
      note: `${number(crawlerFailures)} of them failed`,
    },
  ]
}
