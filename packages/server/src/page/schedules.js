// @ts-check
import { command } from './ask.js'
import { el, keyed, setText } from './dom.js'
import { ago, count, duration, plural, until } from './words.js'

/**
 * @typedef {{ cron?: string, timeZone?: string, every?: number, at?: string }} Rule
 * @typedef {{ name: string, rule: Rule, task: string, queue: string, paused: boolean, nextAt?: string, lastAt?: string, fired: number, error?: string }} Schedule
 */

/**
 * @param {Element} container
 * @param {Schedule[]} schedules
 * @param {() => void} refresh
 */
export function showSchedules(container, schedules, refresh) {
  if (schedules.length === 0) {
    const text = 'No schedules yet. One adds a task at its times, in one process only, however many there are.'
    return void container.replaceChildren(el('p', { class: 'empty' }, text))
  }
  let list = container.querySelector('.rows')
  if (list === null) {
    list = el('ul', { class: 'rows' })
    container.replaceChildren(list)
  }
  keyed(
    list,
    schedules,
    ({ name }) => name,
    (schedule) => row(schedule, refresh),
  )
}

/**
 * @param {Schedule} schedule
 * @param {() => void} refresh
 */
function row({ name }, refresh) {
  const path = `/v1/schedules/${encodeURIComponent(name)}`
  const rule = el('span', { class: 'beside' })
  const error = el('span', { class: 'beside bad' })
  const next = el('span', { class: 'strong' })
  const last = el('span', { class: 'beside' })
  let isPaused = false
  /**
   * @param {string} act
   * @param {(answer: any) => string} said
   */
  const run = async (act, said) => {
    await command(`${path}/${act}`, {}, said)
    refresh()
  }
  /**
   * @param {string} label
   * @param {() => void} onclick
   */
  const button = (label, onclick) =>
    el('button', { type: 'button', class: 'button small', 'aria-label': `${label} ${name}`, onclick }, label)
  const toggle = button(
    'Pause',
    () => void run(isPaused ? 'resume' : 'pause', ({ paused }) => (paused ? `${name} is paused.` : `${name} goes on.`)),
  )
  toggle.classList.add('switch')
  const skip = button(
    'Skip next',
    () =>
      void run('skip', ({ nextAt }) =>
        nextAt === undefined ? `${name} has ended.` : `${name} runs next ${until(nextAt)}.`,
      ),
  )
  const now = button('Run now', () => void run('run', ({ id }) => `Added the task ${id}.`))
  return Object.assign(
    el(
      'li',
      { class: 'schedule' },
      el('span', { class: 'what' }, el('span', { class: 'name' }, name), rule, error),
      el('span', { class: 'next' }, next, last),
      el('span', { class: 'actions' }, now, skip, toggle),
    ),
    {
      /** @param {Schedule} latest */
      update(latest) {
        isPaused = latest.paused
        setText(rule, `${ruleText(latest.rule)} · ${latest.task}`)
        setText(error, latest.error ?? '')
        setText(next, latest.paused ? 'paused' : latest.nextAt === undefined ? 'has ended' : until(latest.nextAt))
        next.title = latest.nextAt ?? ''
        setText(
          last,
          latest.lastAt === undefined
            ? 'has not run yet'
            : `${plural(latest.fired, 'run')}, last ${ago(latest.lastAt)}`,
        )
        setText(toggle, isPaused ? 'Resume' : 'Pause')
        toggle.setAttribute('aria-label', `${isPaused ? 'Resume' : 'Pause'} ${name}`)
        skip.toggleAttribute('disabled', latest.nextAt === undefined)
      },
    },
  )
}

/** @param {Rule} rule */
function ruleText({ cron, timeZone, every, at }) {
  if (cron !== undefined) return `${cron} (${timeZone ?? 'UTC'})`
  if (every !== undefined) return `every ${every % 1_000 === 0 ? duration(every) : `${count(every)} ms`}`
  return `once, at ${at ?? '?'}`
}
