import assert from 'node:assert/strict'
import type { NewTask, TaskChange, TaskClaim, TaskSettle } from '@millrace/core/driver'
import type { Random } from '../../random.ts'
import { settleOf } from '../task-bench.ts'
import { hasEnded, type ModelTask, type TaskModel } from './model-task.ts'
import { createDraws, NAMES } from './draws.ts'
import { NEVER_MS } from './scenario.ts'

/** One step of the scenario, as data: what is printed when it fails. */
export type Operation =
  | { readonly kind: 'enqueue'; readonly tasks: readonly NewTask[] }
  | {
      readonly kind: 'exchange'
      readonly worker: string
      readonly settles: readonly TaskSettle[]
      readonly notes: readonly { id: string; starts: number; progress: string | undefined; log: readonly string[] }[]
      readonly claims: readonly TaskClaim[]
    }
  | { readonly kind: 'reclaim'; readonly worker: string; readonly deadAfterCrashes: number }
  | { readonly kind: 'change'; readonly ids: readonly string[]; readonly change: TaskChange }
  | { readonly kind: 'ahead'; readonly id: string; readonly limit: number }
  | {
      readonly kind: 'queue'
      readonly name: string
      readonly paused: boolean
      readonly concurrency: number | undefined
    }
  | { readonly kind: 'sweep' }

/** Draws operations that suit the state of the model. */
export function createOperations(
  model: TaskModel,
  random: Random,
  { workers }: { readonly workers: readonly string[] },
): () => Operation {
  const queueNames = [...model.queues.keys()]

  const { freshTask, headStart, settle } = createDraws(queueNames, random)

  function enqueue(): Operation {
    const known =
      model.tasks.length > 0 && random.chance(0.15) ? [{ ...random.pick(model.tasks).task, body: '"again"' }] : []
    const fresh = Array.from({ length: random.integer(1, 6) }, () => freshTask())
    return { kind: 'enqueue', tasks: withoutReplacing(random.shuffled([...fresh, ...known])) }
  }

  function flow(): Operation {
    const alone = { dedupe: undefined }
    const parent = freshTask({ ...alone, delayMs: 0, children: random.integer(1, 3), failFast: random.chance(0.5) })
    const children = Array.from({ length: parent.children }, () => freshTask({ ...alone, parent: parent.id }))
    return { kind: 'enqueue', tasks: random.shuffled([parent, ...children]) }
  }

  function exchange(): Operation {
    const worker = random.pick(workers)
    const held = model.tasks.filter((task) => task.worker === worker)
    const ending = held.filter(() => random.chance(0.6))
    // What the ends of two children of one flow do to each other within one call is nowhere promised.
    const [childEnding] = ending.filter(({ task }) => task.parent !== undefined)
    const settles = ending.filter((each) => each.task.parent === undefined || each === childEnding).map(settle)
    if (random.chance(0.1)) {
      const other = model.tasks.filter((task) => task.worker !== worker)
      if (other.length > 0) settles.push(settleOf({ id: random.pick(other).task.id, starts: random.integer(0, 2) }))
    }
    const notes = held
      .filter(() => random.chance(0.2))
      .map(({ task, starts }) => ({
        id: task.id,
        starts: random.chance(0.9) ? starts : starts + 1,
        progress: random.chance(0.5) ? JSON.stringify({ done: random.integer(0, 9) }) : undefined,
        log: random.chance(0.5) ? [`line ${random.integer(0, 99)}`] : [],
      }))
    const claims = random
      .shuffled(queueNames)
      .slice(0, random.integer(0, 3))
      .map((queue) => ({
        queue,
        names: random.chance(0.7) ? [...NAMES] : [random.pick(NAMES)],
        limit: random.integer(0, 5),
        suspects: random.integer(0, 1),
      }))
    return { kind: 'exchange', worker, settles: random.shuffled(settles), notes, claims }
  }

  function change(): Operation {
    const action = random.pick(['cancel', 'run', 'run', 'prioritise', 'postpone', 'discard'] as const)
    const suited = random.chance(0.7) ? model.tasks.filter((task) => suits(task, action)) : model.tasks
    const chosen = random.shuffled(suited.length > 0 ? suited : model.tasks).slice(0, random.integer(1, 3))
    const [first] = chosen
    assert.ok(first)
    // What a change does to two tasks of one flow within one call is nowhere promised.
    const isFlow = chosen.some(({ task }) => task.parent !== undefined || task.children > 0)
    const ids = (isFlow ? [first] : chosen).map(({ task }) => task.id)
    if (action === 'cancel' || action === 'discard') return { kind: 'change', ids, change: { action } }
    if (action === 'prioritise') return { kind: 'change', ids, change: { action, headStartMs: headStart() } }
    if (action === 'postpone') {
      const delayMs = random.chance(0.5) ? 0 : NEVER_MS
      return { kind: 'change', ids: ids.slice(0, 1), change: { action, delayMs } }
    }
    const body = hasEnded(first) && random.chance(0.3) ? '"edited"' : undefined
    return { kind: 'change', ids: ids.slice(0, 1), change: { action, ...(body === undefined ? {} : { body }) } }
  }

  function reclaim(): Operation {
    const worker = random.pick(workers)
    const children = model.tasks.filter((task) => task.worker === worker && task.task.parent !== undefined)
    if (children.length > 1) return exchange()
    return { kind: 'reclaim', worker, deadAfterCrashes: random.integer(1, 4) }
  }

  function queue(): Operation {
    const name = random.pick(queueNames)
    const { concurrency } = model.queues.get(name)?.settings ?? {}
    return { kind: 'queue', name, paused: random.chance(0.3), concurrency: concurrency && random.integer(2, 8) }
  }

  return () => {
    const draw = random.next()
    if (draw < 0.22 || model.tasks.length === 0) return enqueue()
    if (draw < 0.27) return flow()
    if (draw < 0.74) return exchange()
    if (draw < 0.78) return reclaim()
    if (draw < 0.9) return change()
    if (draw < 0.95) return { kind: 'ahead', id: random.pick(model.tasks).task.id, limit: random.integer(1, 20) }
    return draw < 0.98 ? queue() : { kind: 'sweep' }
  }
}

/** Whether a change does something to a task that tasks are not full of. */
function suits({ state, task }: ModelTask, action: TaskChange['action']): boolean {
  if (action === 'cancel') return state === 'running' || (task.children > 0 && state === 'blocked')
  if (action === 'run') return state === 'delayed' || state === 'dead' || state === 'cancelled' || state === 'expired'
  if (action === 'discard') return state === 'done'
  return state === 'waiting' || state === 'delayed' || state === 'ready'
}

/** Within one call no task replaces another: which head start has the turn then is nowhere promised. */
function withoutReplacing(tasks: readonly NewTask[]): NewTask[] {
  const held = new Set<string>()
  return tasks.map((task) => {
    if (task.dedupe === undefined) return task
    const name = `${task.queue} ${task.dedupe.key}`
    if (held.has(name) && task.dedupe.mode !== 'keep') return { ...task, dedupe: undefined }
    held.add(name)
    return task
  })
}
