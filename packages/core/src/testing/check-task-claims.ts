import type { ReadTaskHistory, SeenClaim, SeenSettle, TaskStory } from './read-task-history.ts'
import { claimEndsFrom, isFinalSettle, mayBeForgotten } from './task-claim-end.ts'
import type { TaskRules } from './task-history.ts'
import type { Violation } from './violation.ts'

/** Two clocks, of the engine and of the history, tell durations this exactly, in milliseconds. */
const CLOCK_SLACK_MS = 20

/** One claim at a time, each ended before the next, settled once and by its owner only, and none after the end. */
export function checkTaskClaims(read: ReadTaskHistory, rules: TaskRules): Violation[] {
  const forgotten = { crashes: read.crashes, rules }
  return [...read.stories.values()].flatMap((story) => [
    ...successions(story, read, forgotten),
    ...settles(story, read, forgotten),
    ...afterTheEnd(story, forgotten),
    ...early(story),
    ...runs(story),
  ])
}

type Forgotten = Parameters<typeof mayBeForgotten>[2]

/** A claim after another needs an end of the first: a settle, or a worker that was given up. */
function successions(story: TaskStory, read: ReadTaskHistory, forgotten: Forgotten): Violation[] {
  const violations: Violation[] = []
  story.claims.forEach((claim, at) => {
    const before = story.claims[at - 1]
    if (before === undefined || mayBeForgotten(before, claim.answeredAt, forgotten)) return
    const cameTwice = claim.starts === before.starts
    if (cameTwice || claimEndsFrom(before, story, read) > claim.answeredAt)
      violations.push({
        property: 'duplicate',
        text: `The task ${story.id} was claimed by ${before.process} (start ${before.starts}) and by ${claim.process} (start ${claim.starts}), though the first claim had not ended.`,
      })
    else violations.push(...counted(before, claim, story))
  })
  return violations
}

/** A retry counts an attempt, a release nothing, and a worker that was given up a crash. */
function counted(before: SeenClaim, claim: SeenClaim, { id, settles: all }: TaskStory): Violation[] {
  if (claim.starts !== before.starts + 1) return []
  const ends = all.filter(
    ({ starts, worker, outcome }) => starts === before.starts && worker === before.worker && outcome !== 'fenced',
  )
  if (ends.some(({ outcome, answeredAt }) => outcome === 'unknown' || answeredAt > claim.answeredAt)) return []
  const [settle] = ends
  const attempts = before.attempts + (settle?.as === 'retry' ? 1 : 0)
  const crashes = before.crashes + (settle === undefined ? 1 : 0)
  if (claim.attempts === attempts && claim.crashes === crashes) return []
  const how = settle === undefined ? 'taken from its worker' : `settled as ${settle.as}`
  const text = `The task ${id} was ${how} with ${before.attempts} attempts and ${before.crashes} crashes, and came again with ${claim.attempts} and ${claim.crashes}.`
  return [{ property: 'attempts', text }]
}

/** A settle counts once, and only while its claim is the last one. */
function settles(story: TaskStory, read: ReadTaskHistory, forgotten: Forgotten): Violation[] {
  const violations: Violation[] = []
  const accepted = story.settles.filter(({ outcome }) => outcome === 'settled')
  for (const settle of accepted) {
    const later = story.claims.find(({ starts, answeredAt }) => starts > settle.starts && answeredAt < settle.invokedAt)
    const gone = read.reclaims.find(
      ({ worker, invokedAt, answeredAt, count }) =>
        worker === settle.worker &&
        count === 0 &&
        answeredAt < settle.invokedAt &&
        claimedBefore(story, settle, invokedAt),
    )
    const moved = later ?? gone
    if (moved === undefined || mayBeForgotten(moved, settle.answeredAt, forgotten)) continue
    violations.push({
      property: 'zombie-write',
      text: `The task ${story.id} was settled as ${settle.as} by ${settle.process} under start ${settle.starts}, which had moved on to ${moved.process}.`,
    })
  }
  accepted.forEach((settle, at) => {
    const twin = accepted.slice(0, at).find(({ starts }) => starts === settle.starts)
    if (twin === undefined || mayBeForgotten(twin, settle.answeredAt, forgotten)) return
    violations.push({
      property: 'zombie-write',
      text: `The start ${settle.starts} of the task ${story.id} was settled twice.`,
    })
  })
  return violations
}

function claimedBefore({ claims }: TaskStory, { starts, worker }: SeenSettle, at: number): boolean {
  return claims.some((claim) => claim.starts === starts && claim.worker === worker && claim.answeredAt < at)
}

/** What has ended, or was cancelled, is not claimed again. */
function afterTheEnd(story: TaskStory, forgotten: Forgotten): Violation[] {
  const ends = [
    ...story.settles.filter((settle) => settle.outcome === 'settled' && isFinalSettle(settle)),
    ...story.cancels.filter(({ changed }) => changed?.includes(story.id)),
  ]
  return ends.flatMap((end) => {
    const again = story.claims.find(({ invokedAt }) => invokedAt > end.answeredAt)
    if (again === undefined || mayBeForgotten(end, again.answeredAt, forgotten)) return []
    const how = 'as' in end ? `settled as ${end.as}` : 'cancelled'
    return [
      {
        property: 'duplicate' as const,
        text: `The task ${story.id} was ${how} by ${end.process} and came again in ${again.process}, though no server had died in between.`,
      },
    ]
  })
}

/** What is delayed is not claimed before. */
function early({ id, adds, claims }: TaskStory): Violation[] {
  const [add] = adds
  const first = claims.find(({ starts }) => starts === 1)
  if (add === undefined || first === undefined || add.task.dedupe?.mode === 'debounce') return []
  const waited = first.answeredAt - add.invokedAt
  if (waited >= add.task.delayMs - CLOCK_SLACK_MS) return []
  return [
    { property: 'early', text: `The task ${id} is delayed by ${add.task.delayMs} ms and was claimed after ${waited}.` },
  ]
}

/** A handler runs once for each claim at most. */
function runs({ id, runs: all, claims }: TaskStory): Violation[] {
  const byProcess = Map.groupBy(all, ({ process }) => process)
  return [...byProcess].flatMap(([process, ofProcess]) => {
    const claimed = claims.filter((claim) => claim.process === process).length
    if (ofProcess.length <= claimed) return []
    const text = `The task ${id} was run ${ofProcess.length} times by ${process}, which had claimed it ${claimed} times.`
    return [{ property: 'duplicate' as const, text }]
  })
}
