// @ts-check
import { api } from './api.js'
import { command, confirmed } from './ask.js'
import { el, keyed, setText } from './dom.js'
import { ago, count, duration } from './words.js'

/**
 * @typedef {import('./tasks.js').Task & { input?: unknown, output?: unknown, starts: number, crashes: number, worker?: string, tenant?: string, priority: string | number, parent?: string, pendingChildren: number, error?: { stack?: string } }} FullTask
 * @typedef {{ text: string }} Explanation
 */

const ENDED = new Set(['done', 'dead', 'cancelled', 'expired'])

/**
 * What is known of one task, and what can be done with it; it is asked for when `load` is called.
 * @param {string} id
 * @param {() => void} refresh
 */
export function createTaskDetails(id, refresh) {
  const path = `/v1/tasks/${encodeURIComponent(id)}`
  const why = el('p', { class: 'why' })
  const far = el('p', { class: 'quiet' })
  const bar = el('progress', { max: 100, 'aria-label': `Progress of ${id}` })
  const facts = el('dl', { class: 'pairs' })
  const texts = el('div', { class: 'texts' })
  const actions = el('div', { class: 'actions' })
  const element = el('div', { class: 'task' }, why, bar, far, actions, facts, texts)

  async function load() {
    try {
      const [task, explanation, { lines }] = await Promise.all([api(path), api(`${path}/explain`), api(`${path}/logs`)])
      show(task, explanation, lines)
    } catch (error) {
      setText(why, error instanceof Error ? error.message : 'It cannot be shown.')
    }
  }

  /**
   * @param {FullTask} task
   * @param {Explanation} explanation
   * @param {string[]} lines
   */
  function show(task, explanation, lines) {
    setText(why, explanation.text)
    const { progress } = task
    bar.hidden = progress?.percent === undefined
    bar.setAttribute('value', String(progress?.percent ?? 0))
    setText(far, progress === undefined ? '' : progressText(progress))
    far.hidden = progress === undefined
    showPairs(facts, task)
    showTexts(texts, task, lines)
    showActions(task)
  }

  /** @param {FullTask} task */
  function showActions({ state, name }) {
    const possible = [
      state === 'delayed' && { label: 'Run now', act: 'retry', said: 'is due now' },
      (state === 'dead' || state === 'cancelled' || state === 'expired') && {
        label: 'Run again',
        act: 'retry',
        said: 'is in its queue again',
      },
      !ENDED.has(state) && {
        label: state === 'running' ? 'Ask to stop' : 'Cancel',
        act: 'cancel',
        said: state === 'running' ? 'is asked to stop' : 'is cancelled',
        question:
          state === 'running'
            ? `Ask the running task “${name}” to stop? Its handler hears of it and may finish first.`
            : `Cancel the task “${name}”? It is not run.`,
      },
      ENDED.has(state) && {
        label: 'Discard',
        act: 'discard',
        said: 'is discarded',
        question: `Discard the task “${name}” for good, with its input, output and logs?`,
      },
    ].filter((each) => each !== false)
    keyed(
      actions,
      possible,
      ({ label }) => label,
      ({ label, act, said, question }) =>
        el(
          'button',
          { type: 'button', class: 'button small', onclick: () => void run(act, { label, said, question }) },
          label,
        ),
    )
  }

  /**
   * @param {string} act
   * @param {{ label: string, said: string, question?: string }} words
   */
  async function run(act, { label, said, question }) {
    if (question !== undefined && !(await confirmed(question, label))) return
    await command(`${path}/${act}`, {}, () => `The task ${said}.`)
    refresh()
  }

  return { element, load }
}

/**
 * @param {Element} container
 * @param {FullTask} task
 */
function showPairs(container, task) {
  const pairs = /** @type {[string, string | undefined][]} */ ([
    ['Id', task.id],
    ['Queue', task.queue],
    ['Key', task.key],
    ['Tenant', task.tenant],
    ['Priority', String(task.priority)],
    ['Added', ago(task.addedAt)],
    ['Started', task.startedAt === undefined ? undefined : ago(task.startedAt)],
    ['Ended', task.endedAt === undefined ? undefined : ago(task.endedAt)],
    ['Took', tookOf(task)],
    ['Failed attempts', task.attempts === 0 ? undefined : count(task.attempts)],
    ['Workers that died', task.crashes === 0 ? undefined : count(task.crashes)],
    ['Worker', task.worker],
    ['Parent', task.parent],
    ['Children left', task.pendingChildren === 0 ? undefined : count(task.pendingChildren)],
  ]).filter(([, value]) => value !== undefined)
  keyed(
    container,
    pairs,
    ([name]) => name,
    ([name]) => {
      const value = el('dd')
      return Object.assign(el('div', {}, el('dt', {}, name), value), {
        /** @param {[string, string | undefined]} latest */
        update: ([, latest]) => setText(value, latest ?? ''),
      })
    },
  )
}

/**
 * @param {Element} container
 * @param {FullTask} task
 * @param {string[]} lines
 */
function showTexts(container, { input, output, error }, lines) {
  const texts = /** @type {[string, string | undefined][]} */ ([
    ['Error', error === undefined ? undefined : (error.stack ?? `${error.code}: ${error.message}`)],
    ['Logs', lines.length === 0 ? undefined : lines.join('\n')],
    ['Input', input === undefined ? undefined : JSON.stringify(input, null, 2)],
    ['Output', output === undefined ? undefined : JSON.stringify(output, null, 2)],
  ]).filter(([, text]) => text !== undefined)
  keyed(
    container,
    texts,
    ([name]) => name,
    ([name]) => {
      const pre = el('pre', { tabindex: 0, 'aria-label': name })
      return Object.assign(el('div', {}, el('h3', {}, name), pre), {
        /** @param {[string, string | undefined]} latest */
        update: ([, latest]) => setText(pre, latest ?? ''),
      })
    },
  )
}

/** @param {FullTask} task */
function tookOf({ startedAt, endedAt }) {
  if (startedAt === undefined || endedAt === undefined) return undefined
  return duration(Date.parse(endedAt) - Date.parse(startedAt))
}

/** @param {import('./tasks.js').Progress} progress */
function progressText({ done, total, percent, remainingMs, stage, message }) {
  const share =
    percent === undefined ? `${count(done)} done` : `${Math.floor(percent)} %, ${count(done)} of ${count(total ?? 0)}`
  const left = remainingMs === undefined || percent === 100 ? undefined : `${duration(remainingMs)} left`
  return [share, left, stage, message].filter((part) => part !== undefined).join(' · ')
}
