// @ts-check
import { command } from './ask.js'
import { el, keyed, setText } from './dom.js'
import { count, duration } from './words.js'

/**
 * @typedef {Record<'blocked' | 'delayed' | 'waiting' | 'ready' | 'suspect' | 'running' | 'done' | 'dead' | 'cancelled' | 'expired', number>} Counts
 * @typedef {{ name: string, paused: boolean, counts: Counts, exact: boolean, oldestReadyMs?: number, withoutWorker: string[], full: boolean }} Queue
 * @typedef {{ refresh: () => void, choose: (queue: string, state?: string) => void }} Actions
 */

/**
 * @param {Element} container
 * @param {Queue[]} queues
 * @param {Actions} actions
 */
export function showQueues(container, queues, actions) {
  if (queues.length === 0) return void container.replaceChildren(emptyState())
  const body = container.querySelector('tbody') ?? table(container)
  keyed(
    body,
    queues,
    ({ name }) => name,
    (queue) => row(queue, actions),
  )
}

/** @param {Element} container */
function table(container) {
  const body = el('tbody')
  const head = el(
    'tr',
    {},
    el('th', {}, 'Queue'),
    el('th', { class: 'number' }, 'Ready'),
    el('th', { class: 'number' }, 'Running'),
    el('th', { class: 'number wide' }, 'Later'),
    el('th', { class: 'number wide' }, 'Done'),
    el('th', { class: 'number wide' }, 'Dead'),
    el('th', { class: 'number wide' }, 'Oldest wait'),
    el('th', {}, el('span', { class: 'unseen' }, 'Actions')),
  )
  container.replaceChildren(el('table', {}, el('thead', {}, head), body))
  return body
}

/**
 * @param {Queue} queue
 * @param {Actions} actions
 */
function row({ name }, { refresh, choose }) {
  const path = `/v1/queues/${encodeURIComponent(name)}`
  const ready = el('td', { class: 'number strong' })
  const running = el('td', { class: 'number' })
  const later = el('td', { class: 'number wide' })
  const done = el('td', { class: 'number wide' })
  const dead = el('td', { class: 'number wide' })
  const oldest = el('td', { class: 'number wide' })
  const paused = el('span', { class: 'beside' })
  const alone = el('span', { class: 'beside bad' })
  const narrow = el('span', { class: 'beside narrow bad' })
  let isPaused = false
  const toggle = el('button', { type: 'button', class: 'button small switch', onclick: () => void flip() })
  async function flip() {
    const act = isPaused ? 'resume' : 'pause'
    await command(`${path}/${act}`, {}, () => (act === 'pause' ? `${name} is paused.` : `${name} goes on.`))
    refresh()
  }
  const title = el(
    'button',
    { type: 'button', class: 'plain name', title: 'Show its tasks', onclick: () => choose(name) },
    name,
  )
  return Object.assign(
    el(
      'tr',
      {},
      el('td', {}, title, paused, alone, narrow),
      ready,
      running,
      later,
      done,
      dead,
      oldest,
      el('td', { class: 'number' }, toggle),
    ),
    {
      /** @param {Queue} latest */
      update(latest) {
        const { counts, oldestReadyMs, withoutWorker } = latest
        isPaused = latest.paused
        setText(ready, count(counts.ready + counts.suspect))
        setText(running, count(counts.running))
        setText(later, some(counts.delayed + counts.waiting + counts.blocked))
        later.title = `${counts.delayed} delayed, ${counts.waiting} wait for others of their key, ${counts.blocked} for their children`
        setText(done, some(counts.done))
        setText(dead, some(counts.dead))
        dead.classList.toggle('bad', counts.dead > 0)
        setText(oldest, oldestReadyMs === undefined ? '–' : duration(oldestReadyMs))
        setText(paused, isPaused ? 'paused: nothing is started' : latest.full ? 'full: nothing is added' : '')
        setText(alone, withoutWorker.length === 0 ? '' : `no worker for ${withoutWorker.join(', ')}`)
        setText(narrow, counts.dead === 0 ? '' : `${count(counts.dead)} dead`)
        setText(toggle, isPaused ? 'Resume' : 'Pause')
        toggle.setAttribute('aria-label', `${isPaused ? 'Resume' : 'Pause'} ${name}`)
      },
    },
  )
}

/** @param {number} amount */
function some(amount) {
  return amount === 0 ? '–' : count(amount)
}

function emptyState() {
  const code =
    "const BuildReport = defineTask('report.build', { input: z.object({ month: z.string() }) })\n\n" +
    'await millrace.work(BuildReport, async ({ month }, task) => { … })\n' +
    "await millrace.enqueue(BuildReport, { month: '2026-11' })"
  return el(
    'div',
    { class: 'empty' },
    el('p', {}, 'No queues yet. Slow work becomes a task: it is kept until it is done, and tried again when it fails.'),
    el('pre', {}, code),
  )
}
