// @ts-check
import { api } from './api.js'
import { byId, el, setText } from './dom.js'
import { plural } from './words.js'

const SHOWN = 15
const SHOW_EVERY_MS = 250

/** @type {string[]} */
let arrived = []
let arrivedCount = 0
let paused = false
/** @type {EventSource | undefined} */
let source

/** @typedef {{ id: string, source: string, type: string, time?: string, recordedtime?: string, partitionkey?: string, topic?: string, data?: unknown }} CloudEvent */

/**
 * Shows what is stored, newest first; a busy stream is sampled, so that the page stays quick at any rate.
 * @param {Element} container
 */
export async function startLive(container) {
  const list = el('ol', { class: 'events' })
  const empty = el('p', { class: 'empty' }, 'Waiting for the next event.')
  container.replaceChildren(empty)
  byId('pause').addEventListener('click', togglePause)
  document.addEventListener('visibilitychange', () => (document.hidden ? disconnect() : connect()))
  connect()
  const { events } = await api(`/v1/events?backwards=true&limit=${SHOWN}`).catch(() => ({ events: [] }))
  add(container, list, events)
  setInterval(() => {
    if (paused || arrived.length === 0) return
    const latest = arrived.slice(-SHOWN).toReversed()
    arrived = []
    arrivedCount = 0
    add(
      container,
      list,
      latest.map((text) => JSON.parse(text)),
    )
  }, SHOW_EVERY_MS)
}

function connect() {
  if (source !== undefined) return
  source = new EventSource('/v1/stream?from=latest')
  source.onmessage = ({ data }) => {
    arrived.push(data)
    arrivedCount += 1
    if (arrived.length > SHOWN * 4) arrived = arrived.slice(-SHOWN)
    if (paused) setText(byId('live-hint'), `Paused; ${plural(arrivedCount, 'newer event')}`)
  }
}

function disconnect() {
  source?.close()
  source = undefined
}

function togglePause() {
  paused = !paused
  const button = byId('pause')
  button.setAttribute('aria-pressed', String(paused))
  setText(button, paused ? 'Go on' : 'Pause')
  setText(byId('live-hint'), paused ? 'Paused' : 'As they are stored')
}

/**
 * @param {Element} container
 * @param {Element} list
 * @param {CloudEvent[]} events newest first
 */
function add(container, list, events) {
  if (events.length === 0) return
  if (!list.isConnected) container.replaceChildren(list)
  const known = new Set([...list.children].map((child) => child.getAttribute('data-key')))
  list.prepend(...events.filter((event) => !known.has(keyOf(event))).map(row))
  while (list.children.length > SHOWN) list.lastElementChild?.remove()
}

/** @param {CloudEvent} event */
function keyOf({ source: from, id }) {
  return `${from} ${id}`
}

/** @param {CloudEvent} event */
function row(event) {
  const time = event.recordedtime ?? event.time ?? ''
  const inside = el('pre', {})
  const details = el(
    'details',
    {
      ontoggle: () => setText(inside, JSON.stringify(event, null, 2)),
    },
    el(
      'summary',
      {},
      el('time', { datetime: time }, time === '' ? '' : clock(time)),
      el('span', { class: 'name' }, event.type),
      event.partitionkey !== undefined && el('span', { class: 'key' }, event.partitionkey),
      el('code', {}, event.id),
    ),
    inside,
  )
  return el('li', { 'data-key': keyOf(event) }, details)
}

/** @param {string} time */
function clock(time) {
  const date = new Date(time)
  return `${date.toLocaleTimeString('en-GB')}.${String(date.getMilliseconds()).padStart(3, '0')}`
}
