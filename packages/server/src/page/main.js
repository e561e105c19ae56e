// @ts-check
import { api } from './api.js'
import { showDeadLetters } from './dead-letters.js'
import { byId, el, keyed, setText } from './dom.js'
import { showGroups } from './groups.js'
import { startLive } from './live.js'
import { showQueues } from './queues.js'
import { showSchedules } from './schedules.js'
import { chosenTasks, showTasks, showTasksOf, startTasks } from './tasks.js'
import { sampleTopics, showTopics } from './topics.js'
import { count, duration, rate } from './words.js'

const REFRESH_MS = 2_000

/** What "stored" means at each level, in words. */
const DURABILITY = /** @type {Record<string, string>} */ ({
  memory: 'gone when the process ends',
  'os-cache': 'survives a crash of the process',
  fsync: 'survives a power cut',
  'replicated-memory': 'held by several machines',
  'quorum-fsync': 'on disk on most machines',
})

/** @typedef {{ name: string, value: string, note?: string, bad?: boolean }} Fact */

async function refresh() {
  try {
    const [status, { topics }, { groups }, { counts }, work] = await Promise.all([
      api('/v1/status'),
      api('/v1/topics'),
      api('/v1/groups'),
      api('/v1/dead-letters/counts'),
      readWork(),
    ])
    const eventsPerSecond = sampleTopics(topics)
    showTopics(byId('topics'), topics)
    showGroups(byId('groups'), groups)
    showDeadLetters(byId('dead-letters'), counts, () => void refresh())
    showWork(work)
    showApplications(status.applications)
    setText(byId('name'), status.name)
    document.title = `${status.name} – Millrace`
    showFacts(status, eventsPerSecond, groups, counts)
    showConnection(true)
  } catch {
    showConnection(false)
  }
}

/** Queues, tasks and schedules; undefined where the engine keeps none. */
async function readWork() {
  try {
    const [{ queues }, found, { schedules }] = await Promise.all([
      api('/v1/queues'),
      chosenTasks(),
      api('/v1/schedules'),
    ])
    return { queues, found, schedules }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'capability_missing') return undefined
    throw error
  }
}

/** @param {Awaited<ReturnType<typeof readWork>>} work */
function showWork(work) {
  const hasNone = work === undefined || work.queues.length === 0
  byId('queues-section').hidden = work === undefined
  byId('tasks-section').hidden = hasNone
  byId('schedules-section').hidden = work === undefined || (hasNone && work.schedules.length === 0)
  if (work === undefined) return
  const { queues, found, schedules } = work
  const again = () => void refresh()
  showQueues(byId('queues'), queues, { refresh: again, choose: (queue) => showTasksOf(queue, again) })
  showTasks(byId('tasks'), { ...found, queues: queues.map((/** @type {{ name: string }} */ { name }) => name) }, again)
  showSchedules(byId('schedules'), schedules, again)
}

/**
 * @param {{ engine: { name: string, version: string, durability: string }, uptimeMs: number, node: string }} status
 * @param {number} eventsPerSecond
 * @param {{ lag: number }[]} groups
 * @param {{ count: number }[]} counts
 */
function showFacts({ engine, uptimeMs, node }, eventsPerSecond, groups, counts) {
  const behind = groups.reduce((sum, { lag }) => sum + lag, 0)
  const dead = counts.reduce((sum, failure) => sum + failure.count, 0)
  /** @type {Fact[]} */
  const facts = [
    { name: 'Events a second', value: rate(eventsPerSecond), note: 'published, all topics' },
    { name: 'Behind', value: count(behind), note: 'not handled yet' },
    { name: 'Dead letters', value: count(dead), note: dead === 0 ? 'none' : 'waiting for you', bad: dead > 0 },
    { name: 'Engine', value: engine.name, note: engine.version === '' ? '' : `version ${engine.version}` },
    { name: 'Durability', value: engine.durability, note: DURABILITY[engine.durability] ?? '' },
    { name: 'Running for', value: duration(uptimeMs), note: `on Node.js ${node}` },
  ]
  keyed(
    byId('facts'),
    facts,
    ({ name }) => name,
    (fact) => {
      const value = el('dd', { class: 'value' })
      const note = el('dd', { class: 'note' })
      return Object.assign(el('div', {}, el('dt', {}, fact.name), value, note), {
        /** @param {Fact} latest */
        update(latest) {
          setText(value, latest.value)
          setText(note, latest.note ?? '')
          value.classList.toggle('bad', latest.bad === true)
        },
      })
    },
  )
}

/** @param {{ path: string, name: string, description: string }[]} applications */
function showApplications(applications) {
  byId('applications-section').hidden = applications.length === 0
  keyed(
    byId('applications'),
    applications,
    ({ path }) => path,
    ({ path, name, description }) =>
      el(
        'li',
        {},
        el('a', { href: `${path}/` }, el('span', { class: 'name' }, name), el('span', { class: 'quiet' }, description)),
      ),
  )
}

/** @param {boolean} isConnected */
function showConnection(isConnected) {
  const element = byId('connection')
  setText(element, isConnected ? 'Live' : 'The server does not answer; trying again')
  element.classList.toggle('live', isConnected)
  element.classList.toggle('lost', !isConnected)
}

setInterval(() => {
  if (!document.hidden) void refresh()
}, REFRESH_MS)
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void refresh()
})
startTasks(() => void refresh())
await refresh()
await startLive(byId('live'))
