import type { Summary, View } from '../../read-models/summary.ts'
import { drawChart } from './chart.ts'
import { byId, element } from './dom.ts'
import { followEvents } from './events.ts'
import { drawRanking, drawVisits, drawVitals, tilesOf } from './lists.ts'
import { number } from './format.ts'

interface Answer extends Summary {
  readonly rejected: readonly { readonly fingerprint: string; readonly message: string; readonly count: number }[]
  readonly generator: { readonly available: boolean; readonly isOn: boolean; readonly sent: number }
}

/** While events come, the page is redrawn this often; without them, as often as the slow one. */
const QUICK_MS = 1_000
const SLOW_MS = 5_000

let view: View | undefined = location.hash === '#log' ? 'log' : location.hash === '#live' ? 'live' : undefined
let last: Answer | undefined
let loading = false
let pending: ReturnType<typeof setTimeout> | undefined
let pendingMs = Number.POSITIVE_INFINITY

followEvents(byId('events'), { onState: showState, onEvents: () => refreshIn(QUICK_MS) })
for (const button of document.querySelectorAll<HTMLButtonElement>('[data-view]')) {
  button.addEventListener('click', () => {
    view = button.dataset['view'] === 'log' ? 'log' : 'live'
    history.replaceState(null, '', `#${view}`)
    void refresh()
  })
}
byId('traffic').addEventListener('change', ({ target }) => {
  if (target instanceof HTMLInputElement) void switchTraffic(target)
})
new ResizeObserver(() => {
  if (last !== undefined) draw(last)
}).observe(byId('chart'))
void refresh()

function refreshIn(ms: number): void {
  if (pending !== undefined && pendingMs <= ms) return
  clearTimeout(pending)
  pendingMs = ms
  pending = setTimeout(() => void refresh(), ms)
}

async function refresh(): Promise<void> {
  clearTimeout(pending)
  pending = undefined
  if (loading) return refreshIn(QUICK_MS)
  loading = true
  try {
    const response = await fetch(`api/summary?view=${view ?? 'live'}`)
    if (!response.ok) throw new Error(`The server answered ${response.status}.`)
    const answer = (await response.json()) as Answer
    // Who comes for the first time after an import should see it without having to look for it.
    if (view === undefined && answer.origins.length === 1 && answer.origins[0] === 'log') {
      view = 'log'
      loading = false
      return await refresh()
    }
    if (answer.view === (view ?? 'live')) draw(answer)
    else refreshIn(0)
  } catch {
    showState(false)
  } finally {
    loading = false
    refreshIn(SLOW_MS)
  }
}

function draw(answer: Answer): void {
  last = answer
  document.body.dataset['view'] = answer.view
  for (const button of document.querySelectorAll<HTMLButtonElement>('[data-view]')) {
    button.setAttribute('aria-pressed', String(button.dataset['view'] === answer.view))
  }
  byId('empty').hidden = answer.origins.length > 0
  drawTiles(answer)
  const { stepMinutes } = answer.series
  const title =
    answer.view === 'live' ? 'The last hour, minute by minute' : `The log, in steps of ${stepText(stepMinutes)}`
  byId('chart-title').textContent = title
  drawChart(
    byId('chart'),
    answer.series,
    `${title}: ${number(answer.series.pages.reduce((a, b) => a + b, 0))} page views`,
  )
  drawRanking(byId('pages'), answer.pages, { none: 'No page yet.' })
  drawRanking(byId('referrers'), answer.referrers, { none: 'Nobody from elsewhere yet.' })
  drawRanking(byId('failures'), answer.failures, { none: 'None. Good.' })
  drawRanking(byId('crawlers'), answer.crawlers, {
    none: 'No crawler yet.',
    note: ({ failed }) => (failed > 0 ? `${number(failed)} failed` : ''),
  })
  drawRanking(byId('resources'), answer.resources, { none: 'None.' })
  drawRanking(byId('outbound'), answer.outbound, { none: 'None yet.' })
  drawVitals(byId('vitals'), answer.vitals)
  drawVisits(byId('visits'), answer)
  drawRejected(answer)
  const traffic = byId('traffic')
  if (traffic instanceof HTMLInputElement) {
    traffic.disabled = !answer.generator.available
    traffic.checked = answer.generator.isOn
  }
}

function drawTiles(answer: Answer): void {
  const box = byId('tiles')
  const tiles = tilesOf(answer)
  // Tiles are kept while they are the same ones, so that a screen reader and the eye do not lose them.
  if ([...box.children].map(({ id }) => id).join() !== tiles.map(({ id }) => id).join()) {
    const fresh = tiles.map(({ id, name }) =>
      element(
        'div',
        { id, class: 'tile' },
        element('h2', {}, name),
        element('p', { class: 'value' }),
        element('p', { class: 'note' }),
      ),
    )
    box.replaceChildren(...fresh)
  }
  for (const { id, value, note } of tiles) {
    const [, valueBox, noteBox] = byId(id).children
    if (valueBox !== undefined && valueBox.textContent !== value) valueBox.textContent = value
    if (noteBox !== undefined) noteBox.textContent = note
  }
}

function drawRejected({ rejected }: Answer): void {
  const total = rejected.reduce((sum, { count }) => sum + count, 0)
  const list = element('ol', { class: 'ranking quiet' })
  const counts = rejected
    .map(({ message, count }) => ({ name: message, count, failed: 0 }))
    .sort((a, b) => b.count - a.count)
  drawRanking(list, counts, { none: 'Every beacon and every log line was usable.' })
  const link = element('a', { href: '/#dead-letters' }, 'Look at them, repair and requeue them')
  byId('rejected').replaceChildren(list, ...(total > 0 ? [element('p', { class: 'more' }, link)] : []))
}

async function switchTraffic(input: HTMLInputElement): Promise<void> {
  const response = await fetch('api/traffic', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ on: input.checked }),
  }).catch(() => undefined)
  if (response?.ok !== true) input.checked = !input.checked
  if (input.checked && view === 'log') {
    view = 'live'
    history.replaceState(null, '', '#live')
  }
  await refresh()
}

function showState(connected: boolean): void {
  const status = byId('status')
  status.className = connected ? 'connected' : 'lost'
  const text = status.lastElementChild
  if (text !== null) text.textContent = connected ? 'Live' : 'Connection lost, trying again'
}

function stepText(minutes: number): string {
  if (minutes < 60) return minutes === 1 ? 'a minute' : `${minutes} minutes`
  if (minutes < 1_440) return minutes === 60 ? 'an hour' : `${minutes / 60} hours`
  return minutes === 1_440 ? 'a day' : `${Math.round(minutes / 1_440)} days`
}
