// @ts-check
import { api } from './api.js'
import { command, confirmed } from './ask.js'
import { el, keyed, setText } from './dom.js'
import { ago, count, plural } from './words.js'

const SHOWN = 10

/**
 * @typedef {{ group: string, fingerprint: string, code: string, message: string, count: number, lastFailedAt: string }} Failure
 * @typedef {{ id: string, eventType: string, eventId: string, attempts: number, lastFailedAt: string }} Letter
 */

/**
 * @param {Element} container
 * @param {Failure[]} failures
 * @param {() => void} refresh
 */
export function showDeadLetters(container, failures, refresh) {
  if (failures.length === 0) {
    return void container.replaceChildren(
      el(
        'p',
        { class: 'empty' },
        'Nothing has failed for good. An event lands here after its last attempt, with its error and a way back.',
      ),
    )
  }
  let list = container.querySelector('.failures')
  if (list === null) {
    list = el('div', { class: 'failures' })
    container.replaceChildren(list)
  }
  keyed(
    list,
    failures,
    ({ group, fingerprint }) => `${group} ${fingerprint}`,
    (failure) => block(failure, refresh),
  )
}

/**
 * @param {Failure} failure
 * @param {() => void} refresh
 */
function block(failure, refresh) {
  const amount = el('span', { class: 'count' })
  const when = el('span', { class: 'quiet' })
  const letters = el('div', { class: 'letters' })
  let latest = failure
  const noun = nounOf(failure.group)
  const where = { group: failure.group, fingerprint: failure.fingerprint }
  /** @param {'requeue' | 'discard'} act */
  const actOnAll = async (act) => {
    const label = act === 'requeue' ? 'Requeue' : 'Discard'
    const question = questionOf(act, failure.group, plural(latest.count, noun))
    if (await confirmed(question, `${label} ${count(latest.count)}`))
      await act_(act, { filter: where }, { noun, refresh })
  }
  const details = el(
    'details',
    { class: 'failure', ontoggle: () => void loadLetters() },
    el(
      'summary',
      {},
      amount,
      el(
        'span',
        { class: 'what' },
        el('span', { class: 'name' }, failure.message),
        el('span', { class: 'beside' }, `${failure.code} in ${failure.group}`),
      ),
      when,
    ),
    el(
      'div',
      { class: 'actions' },
      el('button', { type: 'button', class: 'button primary', onclick: () => void actOnAll('requeue') }, 'Requeue all'),
      el('button', { type: 'button', class: 'button', onclick: () => void actOnAll('discard') }, 'Discard all'),
    ),
    letters,
  )
  async function loadLetters() {
    if (!(details instanceof HTMLDetailsElement) || !details.open) return
    const query = new URLSearchParams({ ...where, limit: String(SHOWN) })
    const { deadLetters } = await api(`/v1/dead-letters?${query}`)
    const rest = latest.count - deadLetters.length
    letters.replaceChildren(
      ...deadLetters.map((/** @type {Letter} */ letter) => letterRow(letter, { noun, refresh })),
      ...(rest > 0 ? [el('p', { class: 'quiet' }, `and ${count(rest)} more`)] : []),
    )
  }
  return Object.assign(details, {
    /** @param {Failure} next */
    update(next) {
      const changed = next.count !== latest.count
      latest = next
      setText(amount, count(next.count))
      setText(when, ago(next.lastFailedAt))
      if (changed) void loadLetters()
    },
  })
}

/**
 * @param {Letter} letter
 * @param {{ noun: string, refresh: () => void }} after
 */
function letterRow(letter, after) {
  const path = `/v1/dead-letters/${encodeURIComponent(letter.id)}`
  const inside = el('div', { class: 'inside', hidden: true })
  const show = el(
    'button',
    { type: 'button', class: 'button small', 'aria-expanded': 'false', onclick: () => void toggle() },
    'Show',
  )
  async function toggle() {
    if (inside.hidden && inside.childNodes.length === 0) {
      const full = await api(path)
      inside.append(el('pre', {}, full.event === undefined ? full.body : JSON.stringify(full.event.data, null, 2)))
      if (full.error.stack) inside.append(el('pre', { class: 'quiet' }, full.error.stack))
    }
    inside.hidden = !inside.hidden
    show.setAttribute('aria-expanded', String(!inside.hidden))
    setText(show, inside.hidden ? 'Show' : 'Hide')
  }
  return el(
    'div',
    { class: 'letter' },
    el(
      'div',
      { class: 'line' },
      el('span', { class: 'name' }, letter.eventType),
      el('code', {}, letter.eventId),
      el('span', { class: 'quiet' }, `${plural(letter.attempts, 'attempt')}, ${ago(letter.lastFailedAt)}`),
      el(
        'span',
        { class: 'end' },
        show,
        el(
          'button',
          { type: 'button', class: 'button small', onclick: () => void act_('requeue', { ids: [letter.id] }, after) },
          'Requeue',
        ),
      ),
    ),
    inside,
  )
}

/**
 * @param {'requeue' | 'discard'} act
 * @param {object} what
 * @param {{ noun: string, refresh: () => void }} after
 */
async function act_(act, what, { noun, refresh }) {
  const done = act === 'requeue' ? 'handed back' : 'discarded'
  await command(`/v1/dead-letters/${act}`, what, ({ ids }) => `${plural(ids.length, noun)} ${done}.`)
  refresh()
}

/**
 * @param {'requeue' | 'discard'} act
 * @param {string} group
 * @param {string} what
 */
function questionOf(act, group, what) {
  if (nounOf(group) === 'task') {
    const queue = group.slice('queue:'.length)
    return act === 'requeue'
      ? `Put ${what} back into the queue “${queue}”? They are run again, their attempts forgotten.`
      : `Discard ${what} of the queue “${queue}” for good?`
  }
  return act === 'requeue'
    ? `Hand ${what} back to the group “${group}”? It will handle them again.`
    : `Discard ${what} of the group “${group}” for good? They stay in the log, but the group will never handle them.`
}

/**
 * Dead tasks are among the letters, under the name of their queue.
 * @param {string} group
 */
function nounOf(group) {
  return group.startsWith('queue:') ? 'task' : 'event'
}
