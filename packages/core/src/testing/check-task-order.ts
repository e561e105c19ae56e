import type { ReadTaskHistory, SeenAdd, TaskStory } from './read-task-history.ts'
import { taskEndsFrom } from './task-claim-end.ts'
import type { TaskRules } from './task-history.ts'
import type { Violation } from './violation.ts'

/** Keys in order, and dedupe keys with one holder at a time. */
export function checkTaskOrder(read: ReadTaskHistory, rules: TaskRules): Violation[] {
  return [...ordered(read, rules), ...deduplicated(read)]
}

interface Timed {
  readonly story: TaskStory
  /** It was added between these moments. */
  readonly from: number
  readonly to: number
  /** The first moment at which it may have ended. */
  readonly endsFrom: number
}

/** Of two tasks of a key of which one was there before the other was sent, the first has ended before the second is claimed. */
function ordered(read: ReadTaskHistory, { queues }: TaskRules): Violation[] {
  const stored = [...read.stories.values()].flatMap((story): (Timed & { readonly lane: string })[] => {
    const add = storedAdd(story)
    if (add === undefined || add.task.key === undefined || add.task.delayMs > 0) return []
    if (queues[add.task.queue]?.key?.order !== true) return []
    return [{ ...timesOf(story, read), lane: `${add.task.queue} ${add.task.key}` }]
  })
  return [...Map.groupBy(stored, ({ lane }) => lane)].flatMap(([lane, ofKey]) => {
    const violations: Violation[] = []
    for (const second of ofKey) {
      const claimedAt = Math.min(Infinity, ...second.story.claims.map(({ answeredAt }) => answeredAt))
      for (const first of ofKey) {
        if (first.to >= second.from) continue
        const { endsFrom } = first
        if (claimedAt >= endsFrom || read.crashes.some((at) => at > claimedAt && at < endsFrom)) continue
        violations.push({
          property: 'reordered',
          text: `${lane}: ${second.story.id} was claimed before ${first.story.id}, which had been added before it, could have ended.`,
        })
      }
    }
    return violations
  })
}

/** While a task holds a dedupe key until its end, no other with it is stored. */
function deduplicated(read: ReadTaskHistory): Violation[] {
  const holders = [...read.stories.values()].flatMap((story) => {
    const add = storedAdd(story)
    if (add?.task.dedupe?.mode !== 'keep' || add.task.dedupe.until !== 'end') return []
    return [{ ...timesOf(story, read), name: `${add.task.queue} ${add.task.dedupe.key}` }]
  })
  return [...Map.groupBy(holders, ({ name }) => name)].flatMap(([name, all]) => {
    const violations: Violation[] = []
    for (const first of all) {
      const { endsFrom } = first
      for (const second of all) {
        if (first.to >= second.from || endsFrom <= second.to) continue
        violations.push({
          property: 'dedupe',
          text: `The dedupe key ${name} was held by ${first.story.id}, and ${second.story.id} was stored beside it.`,
        })
      }
    }
    return violations
  })
}

function storedAdd({ adds }: TaskStory): SeenAdd | undefined {
  return adds.find(({ outcome }) => outcome === 'stored')
}

function timesOf(story: TaskStory, read: ReadTaskHistory): Timed {
  const { adds } = story
  const stored = adds.filter(({ outcome }) => outcome === 'stored')
  return {
    story,
    endsFrom: taskEndsFrom(story, read),
    from: Math.min(...adds.map(({ invokedAt }) => invokedAt)),
    to: Math.min(...stored.map(({ answeredAt }) => answeredAt)),
  }
}
