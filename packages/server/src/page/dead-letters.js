// @ts-check
import { api } from './api.js'
import { byId, el, keyed, setText } from './dom.js'
import { ago, count, plural } from './words.js'

const SHOWN = 10

/**
 * @typedef {{ group: string, fingerprint: string, code: string, message: string, count: number, lastFailedAt: number }} Failure
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
  const where = { group: failure.group, fingerprint: failure.fingerprint }
  /** @param {'requeue' | 'discard'} act */
  const actOnAll = async (act) => {
    const label = act === 'requeue' ? 'Requeue' : 'Discard'
    const question =
      act === 'requeue'
        ? `Hand ${plural(latest.count, 'event')} back to the group “${failure.group}”? It will handle them again.`
        : `Discard ${plural(latest.count, 'event')} of the group “${failure.group}” for good? They stay in the log, but the group will never handle them.`
    if (await confirmed(question, `${label} ${count(latest.count)}`)) await act_(act, { filter: where }, refresh)
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
      ...deadLetters.map((/** @type {Letter} */ letter) => letterRow(letter, refresh)),
      ...(rest > 0 ? [el('p', { class: 'quiet' }, `and ${count(rest)} more`)] : []),
    )
  }
  return Object.assign(details, {
    /** @param {Failure} next */
    update(next) {
      const changed = next.count !== latest.count
      latest = next
      setText(amount, count(next.count))
      setText(when, ago(new Date(next.lastFailedAt).toISOString()))
      if (changed) void loadLetters()
    },
  })
}

/**
 * @param {Letter} letter
 * @param {() => void} refresh
 */
function letterRow(letter, refresh) {
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
          { type: 'button', class: 'button small', onclick: () => void act_('requeue', { ids: [letter.id] }, refresh) },
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
 * @param {() => void} refresh
 */
async function act_(act, what, refresh) {
  try {
    const { ids } = await api(`/v1/dead-letters/${act}`, { method: 'POST', body: what })
    toast(`${plural(ids.length, 'event')} ${act === 'requeue' ? 'handed back' : 'discarded'}.`)
  } catch (error) {
    toast(error instanceof Error ? error.message : 'It did not work.')
  }
  refresh()
}

/**
 * @param {string} question
 * @param {string} yes
 * @returns {Promise<boolean>}
 */
function confirmed(question, yes) {
  const dialog = byId('confirm')
  if (!(dialog instanceof HTMLDialogElement)) return Promise.resolve(false)
  setText(byId('confirm-text'), question)
  setText(byId('confirm-yes'), yes)
  dialog.returnValue = 'cancel'
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true })
  })
}

let toastTimer = 0
/** @param {string} text */
function toast(text) {
  const element = byId('toast')
  setText(element, text)
  element.hidden = false
  clearTimeout(toastTimer)
  toastTimer = setTimeout(() => (element.hidden = true), 4_000)
}
