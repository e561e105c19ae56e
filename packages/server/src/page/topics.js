// @ts-check
import { el, keyed, setText, sparkline } from './dom.js'
import { bytes, count, plural, rate } from './words.js'

const SAMPLES = 30
/** @type {Map<string, { at: number, published: number, rates: number[] }>} */
const history = new Map()

/**
 * @typedef {{ topic: string, partitions: number, published: number, held: number, bytes: number, groups: string[] }} Topic
 */

/**
 * Notes the counts of now and gives the rate of all topics together.
 * @param {Topic[]} topics
 */
export function sampleTopics(topics) {
  const now = performance.now()
  let total = 0
  for (const { topic, published } of topics) {
    const last = history.get(topic)
    const seconds = last === undefined ? 0 : (now - last.at) / 1_000
    const current = last === undefined || seconds <= 0 ? 0 : Math.max(0, (published - last.published) / seconds)
    const rates = last === undefined ? [] : [...last.rates, current].slice(-SAMPLES)
    history.set(topic, { at: now, published, rates })
    total += current
  }
  return total
}

/**
 * @param {Element} container
 * @param {Topic[]} topics
 */
export function showTopics(container, topics) {
  if (topics.length === 0) return void container.replaceChildren(emptyState())
  const body = container.querySelector('tbody') ?? table(container)
  keyed(body, topics, ({ topic }) => topic, row)
}

/** @param {Element} container */
function table(container) {
  const body = el('tbody')
  const head = el(
    'tr',
    {},
    el('th', {}, 'Topic'),
    el('th', { class: 'number' }, 'Events/s'),
    el('th', { class: 'wide' }, ''),
    el('th', { class: 'number' }, 'Held'),
    el('th', { class: 'number wide' }, 'Size'),
    el('th', { class: 'wide' }, 'Read by'),
  )
  container.replaceChildren(el('table', {}, el('thead', {}, head), body))
  return body
}

/** @param {Topic} topic */
function row(topic) {
  const now = el('td', { class: 'number strong' })
  const chart = el('td', { class: 'wide chart' })
  const held = el('td', { class: 'number' })
  const size = el('td', { class: 'number wide' })
  const groups = el('td', { class: 'wide quiet' })
  const name = el(
    'td',
    {},
    el('span', { class: 'name' }, topic.topic),
    el('span', { class: 'beside' }, plural(topic.partitions, 'partition')),
  )
  return Object.assign(el('tr', {}, name, now, chart, held, size, groups), {
    /** @param {Topic} latest */
    update(latest) {
      const rates = history.get(latest.topic)?.rates ?? []
      setText(now, rates.length === 0 ? '–' : rate(rates.at(-1) ?? 0))
      chart.replaceChildren(sparkline(rates, SAMPLES))
      setText(held, count(latest.held))
      setText(size, bytes(latest.bytes))
      setText(groups, latest.groups.length === 0 ? 'nobody yet' : latest.groups.join(', '))
    },
  })
}

function emptyState() {
  const event = '{"specversion":"1.0","id":"1","source":"/try","type":"order.placed","data":{"orderId":"A-1"}}'
  const command = `curl ${location.origin}/v1/events \\\n  -H 'content-type: application/cloudevents+json' \\\n  -d '${event}'`
  return el(
    'div',
    { class: 'empty' },
    el('p', {}, 'No topics yet. A topic appears with its first event; publish one from a terminal:'),
    el('pre', {}, command),
  )
}
