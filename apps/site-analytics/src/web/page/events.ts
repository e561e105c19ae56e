import { badge } from './lists.ts'
import { element } from './dom.ts'
import { clock } from './format.ts'

const SHOWN = 25
const PAINT_MS = 200

type Data = Readonly<Record<string, unknown>>

interface Wire {
  readonly type?: unknown
  readonly recordedtime?: unknown
  readonly data?: unknown
}

/**
 * Follows the stream of the topic and shows the newest events. A burst is painted a few times a second and only its end is
 * shown. Tells when it is connected and when something came.
 */
export function followEvents(
  list: HTMLElement,
  { onState, onEvents }: { readonly onState: (connected: boolean) => void; readonly onEvents: () => void },
): void {
  const source = new EventSource('/v1/stream?channel=topic:analytics')
  let waiting: Wire[] = []
  let painting = false
  source.addEventListener('begin', () => onState(true))
  source.addEventListener('error', () => onState(false))
  source.addEventListener('message', ({ data }) => {
    const event = parse(String(data))
    if (event === undefined) return
    waiting.push(event)
    if (waiting.length > SHOWN) waiting.shift()
    onEvents()
    if (painting) return
    painting = true
    setTimeout(() => {
      painting = false
      list.querySelector('.none')?.remove()
      list.prepend(...waiting.reverse().map(row))
      waiting = []
      while (list.children.length > SHOWN) list.lastElementChild?.remove()
    }, PAINT_MS)
  })
  list.append(element('li', { class: 'none' }, 'Waiting for the first event.'))
}

function row(event: Wire): HTMLElement {
  const data: Data = typeof event.data === 'object' && event.data !== null ? (event.data as Data) : {}
  const type = String(event.type)
  const time = Date.parse(String(event.recordedtime))
  return element(
    'li',
    { class: type.startsWith('request') || type.startsWith('analytics') ? 'bad' : '' },
    element('time', {}, Number.isNaN(time) ? '' : clock(time, true)),
    element('span', { class: 'type' }, type),
    element('span', { class: 'what' }, describe(type, data)),
    ...(data['origin'] === 'generated' ? [badge('generated')] : []),
    ...(data['origin'] === 'log' ? [badge('log')] : []),
  )
}

function describe(type: string, data: Data): string {
  const text = (name: string): string => {
    const value = data[name]
    return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  }
  switch (type) {
    case 'page.viewed':
      return data['referrer'] === 'internal' || data['referrer'] === 'direct'
        ? text('path')
        : `${text('path')} from ${text('referrer')}`
    case 'session.started':
      return `begins at ${text('entry')}`
    case 'session.ended':
      return `${text('pages')} pages, left at ${text('exit')}`
    case 'link.clicked':
      return text('target')
    case 'scroll.measured':
      return `${text('path')} read to ${text('percent')} %`
    case 'performance.measured':
      return `${text('path')} painted after ${text('lcp')} ms`
    case 'request.failed':
      return `${text('status') || text('reason')} ${text('path')} ${text('detail')}`
    case 'crawler.seen':
      return `${text('name')} at ${text('path')}`
    case 'visitor.identified':
      return text('user')
    case 'resource.requested':
      return `${text('kind')} ${text('path')}`
    case 'analytics.rejected':
      return `${text('reason')}: ${text('raw').slice(0, 120)}`
    default:
      return ''
  }
}

function parse(text: string): Wire | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
