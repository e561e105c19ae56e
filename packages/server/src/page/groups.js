// @ts-check
import { el, keyed, setText } from './dom.js'
import { count, duration, plural } from './words.js'

/**
 * @typedef {{ group: string, filter: string[], members: { label: string }[], lag: number, lagExact: boolean, oldestMs?: number, lane: { waiting: number, parked: number }, deadLetters: number }} Group
 */

/**
 * @param {Element} container
 * @param {Group[]} groups
 */
export function showGroups(container, groups) {
  if (groups.length === 0) return void container.replaceChildren(emptyState())
  const body = container.querySelector('tbody') ?? table(container)
  keyed(body, groups, ({ group }) => group, row)
}

/** @param {Element} container */
function table(container) {
  const body = el('tbody')
  const head = el(
    'tr',
    {},
    el('th', {}, 'Group'),
    el('th', { class: 'number' }, 'Behind'),
    el('th', { class: 'number' }, 'Oldest'),
    el('th', { class: 'number wide' }, 'Side lane'),
    el('th', { class: 'number wide' }, 'Dead letters'),
    el('th', { class: 'wide' }, 'Members'),
  )
  container.replaceChildren(el('table', {}, el('thead', {}, head), body))
  return body
}

/** @param {Group} group */
function row(group) {
  const lag = el('td', { class: 'number strong' })
  const oldest = el('td', { class: 'number' })
  const lane = el('td', { class: 'number wide' })
  const dead = el('td', { class: 'number wide' })
  const members = el('td', { class: 'wide' })
  const filter = el('span', { class: 'beside' })
  const warning = el('span', { class: 'beside narrow bad' })
  return Object.assign(
    el(
      'tr',
      {},
      el('td', {}, el('span', { class: 'name' }, group.group), filter, warning),
      lag,
      oldest,
      lane,
      dead,
      members,
    ),
    {
      /** @param {Group} latest */
      update(latest) {
        setText(filter, latest.filter.join(', '))
        setText(lag, latest.lag === 0 ? '0' : `${latest.lagExact ? '' : '~'}${count(latest.lag)}`)
        setText(oldest, latest.oldestMs === undefined ? '–' : duration(latest.oldestMs))
        setText(
          lane,
          latest.lane.waiting === 0
            ? '–'
            : `${count(latest.lane.waiting)}${latest.lane.parked > 0 ? `, ${count(latest.lane.parked)} parked` : ''}`,
        )
        setText(dead, latest.deadLetters === 0 ? '–' : count(latest.deadLetters))
        dead.classList.toggle('bad', latest.deadLetters > 0)
        const isUnread = latest.members.length === 0
        setText(
          members,
          isUnread
            ? latest.lag > 0
              ? 'none: nobody is handling these'
              : 'none'
            : plural(latest.members.length, 'member'),
        )
        setText(warning, isUnread && latest.lag > 0 ? 'nobody is handling these' : '')
        members.classList.toggle('bad', isUnread && latest.lag > 0)
        members.title = latest.members.map(({ label }) => label).join('\n')
      },
    },
  )
}

function emptyState() {
  const code =
    "await millrace.subscribe(OrderPlaced, async (event) => {\n  await sendInvoice(event.data)\n}, { group: 'invoices' })"
  return el(
    'div',
    { class: 'empty' },
    el('p', {}, 'Nobody reads yet. A group is the durable name of a subscription; its place survives restarts:'),
    el('pre', {}, code),
  )
}
