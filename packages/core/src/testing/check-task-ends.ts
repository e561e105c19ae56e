import type { ReadTaskHistory, TaskStory } from './read-task-history.ts'
import { taskEndsFrom } from './task-claim-end.ts'
import type { FinalTask, TaskRules } from './task-history.ts'
import type { Violation } from './violation.ts'

/** Workers that may die with a task before it is held for deadly. */
const DEADLY_CRASHES = 3

/** What was stored against what the application was told, and whether each end has its cause. */
export function checkTaskEnds(read: ReadTaskHistory, final: readonly FinalTask[], rules: TaskRules): Violation[] {
  const stored = new Map(final.map((task) => [task.id, task]))
  return [
    ...acknowledged(read, stored),
    ...final.flatMap((task) => unexplained(task, read, stored)),
    ...final.flatMap((task) => tooOften(task, rules)),
    ...parents(read, stored),
    ...instants(final, rules),
  ]
}

function acknowledged(read: ReadTaskHistory, stored: ReadonlyMap<string, FinalTask>): Violation[] {
  const violations: Violation[] = []
  for (const id of read.acknowledged.keys()) {
    if (!stored.has(id))
      violations.push({ property: 'lost', text: `The task ${id} was acknowledged and is not there.` })
  }
  for (const [id, { adds }] of read.stories) {
    if (!stored.has(id) && adds.some(({ outcome }) => outcome === 'stored'))
      violations.push({
        property: 'lost',
        text: `The store has answered that the task ${id} is stored, and it is not there.`,
      })
  }
  for (const [id, code] of read.refused) {
    if (stored.has(id))
      violations.push({ property: 'rejected-seen', text: `The task ${id} was refused (${code}) and is stored.` })
  }
  return violations
}

/** An end needs what was seen of it: a handler that has done it, failures, three crashes, a call to cancel it, an expiry. */
function unexplained(task: FinalTask, read: ReadTaskHistory, stored: ReadonlyMap<string, FinalTask>): Violation[] {
  const { id, state, parent } = task
  const story = read.stories.get(id)
  if (story === undefined || story.adds.length === 0)
    return [{ property: 'phantom', text: `The task ${id} (${task.name}) was never added.` }]
  const lost = (what: string): Violation[] => [
    { property: 'lost', text: `The task ${id} (${task.name}) is ${state} ${what}. Seen: ${seenOf(story)}.` },
  ]
  if (state === 'done') {
    const done = story.runs.filter(({ outcome }) => outcome === 'done').map(({ process, run }) => `${process} ${run}`)
    if (done.length === 0) return lost('and no handler has done it')
    if (task.doneBy !== undefined && done.includes(task.doneBy)) return []
    return [
      { property: 'output', text: `The task ${id} has the output of ${task.doneBy}; done was ${done.join(', ')}.` },
    ]
  }
  if (state === 'dead') {
    if (task.code === 'task_killed_worker') return task.crashes >= DEADLY_CRASHES ? [] : lost('for too few crashes')
    if (task.code === 'task_child_failed') return []
    return story.runs.some(({ outcome }) => outcome !== undefined && outcome !== 'done') ? [] : lost('and never failed')
  }
  if (state === 'cancelled') {
    if (story.cancels.length > 0 || (parent !== undefined && stored.get(parent)?.state !== 'done')) return []
    return lost('and nobody has cancelled it')
  }
  if (state === 'expired') return story.adds.some((add) => add.task.expires) ? [] : lost('and should not expire')
  return [
    { property: 'not-drained', text: `At the end the task ${id} (${task.name}) is ${state}. Seen: ${seenOf(story)}.` },
  ]
}

function seenOf({ claims, settles, runs }: TaskStory): string {
  const claimed = claims.map(({ process, starts }) => `claim ${starts} by ${process}`)
  const ran = runs.map(({ process, outcome }) => `${outcome ?? 'died'} in ${process}`)
  const settled = settles.map(({ as, starts, outcome }) => `${as} of ${starts} ${outcome}`)
  return [...claimed, ...ran, ...settled].join(', ') || 'nothing'
}

function tooOften({ id, name, attempts }: FinalTask, rules: TaskRules): Violation[] {
  const allowed = rules.attempts[name] ?? Infinity
  if (attempts <= allowed) return []
  return [{ property: 'attempts', text: `The task ${id} has failed ${attempts} times; ${allowed} were allowed.` }]
}

/** A parent is claimed when its children have ended, and is not done when one of them failed it. */
function parents(read: ReadTaskHistory, stored: ReadonlyMap<string, FinalTask>): Violation[] {
  const violations: Violation[] = []
  for (const story of read.stories.values()) {
    const added = story.adds[0]?.task
    if (added?.parent === undefined) continue
    const parent = read.stories.get(added.parent)
    const endsFrom = taskEndsFrom(story, read)
    const early = parent?.claims.find(({ answeredAt }) => answeredAt < endsFrom)
    if (early !== undefined)
      violations.push({
        property: 'flow',
        text: `The task ${added.parent} was claimed by ${early.process} before its child ${story.id} could have ended.`,
      })
    const state = stored.get(story.id)?.state
    if (parent?.adds[0]?.task.failFast === true && stored.get(added.parent)?.state === 'done' && state !== 'done')
      violations.push({
        property: 'flow',
        text: `The task ${added.parent} is done and its child ${story.id} ${state}.`,
      })
  }
  return violations
}

/** Each instant of a schedule has one task, from the first to the last. */
function instants(final: readonly FinalTask[], { schedules }: TaskRules): Violation[] {
  const violations: Violation[] = []
  for (const [name, everyMs] of Object.entries(schedules)) {
    const fired = final.filter(({ schedule }) => schedule?.name === name)
    const times = fired.map(({ schedule }) => Date.parse(schedule?.at ?? '')).toSorted((a, b) => a - b)
    times.slice(1).forEach((at, index) => {
      const apart = at - (times[index] ?? at)
      if (apart === everyMs) return
      const what = apart === 0 ? 'has two tasks' : `comes ${apart} ms after the one before, and not ${everyMs}`
      violations.push({ property: 'schedule', text: `The instant ${new Date(at).toISOString()} of ${name} ${what}.` })
    })
    if (times.length === 0) violations.push({ property: 'schedule', text: `The schedule ${name} has never fired.` })
  }
  return violations
}
