// @ts-check
import { api } from './api.js'
import { byId, el, keyed, setText } from './dom.js'
import { createTaskDetails } from './task.js'
import { ago, duration, until } from './words.js'

const PAGE = 20
const MOST = 200

/**
 * @typedef {{ done: number, total?: number, percent?: number, remainingMs?: number, stage?: string, message?: string }} Progress
 * @typedef {{ id: string, name: string, queue: string, state: string, key?: string, attempts: number, addedAt: string, dueAt: string, startedAt?: string, endedAt?: string, delayedBy?: string, cancelling: boolean, error?: { code: string, message: string }, progress?: Progress }} Task
 */

/** What the filter of states offers: what is asked for by its words. */
const STATES = /** @type {[string, string][]} */ ([
  ['', 'All states'],
  ['blocked,delayed,waiting,ready,suspect,running', 'Not ended'],
  ['running', 'Running'],
  ['ready,suspect', 'Ready'],
  ['delayed,waiting,blocked', 'Later'],
  ['done', 'Done'],
  ['dead', 'Dead'],
  ['cancelled,expired', 'Cancelled or expired'],
])

let shown = PAGE
let chosenQueue = ''
let chosenStates = ''

/**
 * Lets the operator choose which tasks are listed.
 * @param {() => void} refresh
 */
export function startTasks(refresh) {
  const states = byId('tasks-state')
  states.replaceChildren(...STATES.map(([value, text]) => el('option', { value }, text)))
  states.addEventListener('change', () => choose({ states: valueOf(states) }, refresh))
  const queue = byId('tasks-queue')
  queue.addEventListener('change', () => choose({ queue: valueOf(queue) }, refresh))
  byId('tasks-more').addEventListener('click', () => {
    shown = Math.min(MOST, shown + PAGE)
    refresh()
  })
}

/**
 * Lists the tasks of one queue, and brings them into view.
 * @param {string} queue
 * @param {() => void} refresh
 */
export function showTasksOf(queue, refresh) {
  choose({ queue, states: '' }, refresh)
  byId('tasks-title').scrollIntoView({ block: 'start' })
  byId('tasks-queue').focus({ preventScroll: true })
}

/** The tasks that the operator has chosen. */
export function chosenTasks() {
  const query = new URLSearchParams({ limit: String(shown) })
  if (chosenQueue !== '') query.set('queue', chosenQueue)
  if (chosenStates !== '') query.set('states', chosenStates)
  return api(`/v1/tasks?${query}`)
}

/**
 * @param {Element} container
 * @param {{ tasks: Task[], next?: string, queues: string[] }} found
 * @param {() => void} refresh
 */
export function showTasks(container, { tasks, next, queues }, refresh) {
  showChoice(queues)
  byId('tasks-more').hidden = next === undefined || shown >= MOST
  if (tasks.length === 0) {
    const isChosen = chosenQueue !== '' || chosenStates !== ''
    const text = isChosen ? 'No task is like this.' : 'No task is waiting, and of those that have ended none is kept.'
    return void container.replaceChildren(el('p', { class: 'empty' }, text))
  }
  let list = container.querySelector('.rows')
  if (list === null) {
    list = el('div', { class: 'rows' })
    container.replaceChildren(list)
  }
  keyed(
    list,
    tasks,
    ({ id }) => id,
    (task) => row(task, refresh),
  )
}

/** @param {string[]} queues */
function showChoice(queues) {
  const select = byId('tasks-queue')
  const names = ['', ...new Set([...queues, ...(chosenQueue === '' ? [] : [chosenQueue])])]
  keyed(
    select,
    names,
    (name) => name,
    (name) => el('option', { value: name }, name === '' ? 'All queues' : name),
  )
  if (select instanceof HTMLSelectElement) select.value = chosenQueue
}

/**
 * @param {{ queue?: string, states?: string }} choice
 * @param {() => void} refresh
 */
function choose({ queue = chosenQueue, states = chosenStates }, refresh) {
  chosenQueue = queue
  chosenStates = states
  shown = PAGE
  for (const [id, value] of [
    ['tasks-queue', queue],
    ['tasks-state', states],
  ]) {
    const select = byId(id ?? '')
    if (select instanceof HTMLSelectElement) select.value = value ?? ''
  }
  refresh()
}

/** @param {Element} element */
function valueOf(element) {
  return element instanceof HTMLSelectElement ? element.value : ''
}

/**
 * @param {Task} task
 * @param {() => void} refresh
 */
function row(task, refresh) {
  const state = el('span', { class: 'state' })
  const beside = el('span', { class: 'beside' })
  const bar = el('progress', { max: 100, class: 'wide' })
  const when = el('span', { class: 'quiet when' })
  const inside = createTaskDetails(task.id, refresh)
  const details = el(
    'details',
    { ontoggle: () => open() },
    el(
      'summary',
      {},
      state,
      el('span', { class: 'what' }, el('span', { class: 'name' }, task.name), beside),
      bar,
      when,
    ),
    inside.element,
  )
  function open() {
    if (details instanceof HTMLDetailsElement && details.open) void inside.load()
  }
  let before = ''
  return Object.assign(details, {
    /** @param {Task} latest */
    update(latest) {
      setText(state, latest.cancelling && latest.state === 'running' ? 'cancelling' : latest.state)
      state.className = `state ${latest.state}`
      setText(beside, besideOf(latest))
      setText(when, whenOf(latest))
      const { percent } = latest.progress ?? {}
      bar.hidden = percent === undefined || latest.state !== 'running'
      bar.setAttribute('value', String(percent ?? 0))
      bar.setAttribute('aria-label', `Progress of ${latest.id}`)
      const now = JSON.stringify(latest)
      // Why a task waits changes though the task does not.
      if (before !== '' && (now !== before || latest.endedAt === undefined)) open()
      before = now
    },
  })
}

/** @param {Task} task */
function besideOf({ id, queue, name, key, error, state, attempts }) {
  const failed = error !== undefined && (state === 'dead' || state === 'delayed')
  return [
    queue === name ? undefined : queue,
    key === undefined ? undefined : `key ${key}`,
    failed ? `attempt ${attempts}: ${error.message}` : id,
  ]
    .filter((part) => part !== undefined)
    .join(' · ')
}

/** @param {Task} task */
function whenOf({ state, addedAt, dueAt, startedAt, endedAt }) {
  if (endedAt !== undefined) return ago(endedAt)
  if (state === 'running' && startedAt !== undefined) return `for ${duration(Date.now() - Date.parse(startedAt))}`
  if (state === 'delayed') return until(dueAt)
  return `waits for ${duration(Date.now() - Date.parse(addedAt))}`
}
