import { checkTaskClaims } from './check-task-claims.ts'
import { checkTaskEnds } from './check-task-ends.ts'
import { checkTaskLimits } from './check-task-limits.ts'
import { checkTaskOrder } from './check-task-order.ts'
import type { HistoryEntry } from './history.ts'
import { readTaskHistory, type ReadTaskHistory, type TaskStory } from './read-task-history.ts'
import type { FinalTask, TaskRules } from './task-history.ts'
import type { Violation } from './violation.ts'

/** What a history of tasks shows beside violations. */
export interface TaskHistoryReport {
  readonly violations: readonly Violation[]
  readonly counts: {
    readonly acknowledged: number
    readonly stored: number
    readonly done: number
    readonly dead: number
    readonly cancelled: number
    readonly expired: number
    readonly runs: number
    /** Claims that came after the worker of the claim before had died or was held for dead. */
    readonly reclaimed: number
    readonly fenced: number
    readonly deduplicated: number
    readonly scheduled: number
    readonly killedWorkers: number
  }
  /** Milliseconds from the kill of a worker to the next claim of each task that it held. */
  readonly runAgainMs: readonly number[]
}

/** Judges a history of tasks against the promises: pure. Entries must be in the order of their times. */
export function checkTaskHistory(
  history: readonly HistoryEntry[],
  final: readonly FinalTask[],
  rules: TaskRules,
): TaskHistoryReport {
  const read = readTaskHistory(history)
  const stories = [...read.stories.values()]
  const inState = (state: FinalTask['state']): number => final.filter((task) => task.state === state).length
  const settles = stories.flatMap((story) => story.settles)
  return {
    violations: [
      ...checkTaskEnds(read, final, rules),
      ...checkTaskClaims(read, rules),
      ...checkTaskOrder(read, rules),
      ...checkTaskLimits(read, rules),
    ],
    counts: {
      acknowledged: read.acknowledged.size,
      stored: final.length,
      done: inState('done'),
      dead: inState('dead'),
      cancelled: inState('cancelled'),
      expired: inState('expired'),
      runs: stories.reduce((sum, { runs }) => sum + runs.length, 0),
      reclaimed: final.reduce((sum, { crashes }) => sum + crashes, 0),
      fenced: settles.filter(({ outcome }) => outcome === 'fenced').length,
      deduplicated: stories.filter(({ adds }) => adds.some(({ holder }) => holder !== undefined)).length,
      scheduled: final.filter(({ schedule }) => schedule !== undefined).length,
      killedWorkers: read.kills.size,
    },
    runAgainMs: stories.flatMap((story) => runAgain(story, read)),
  }
}

function runAgain({ claims, settles }: TaskStory, { kills }: ReadTaskHistory): readonly number[] {
  return claims.flatMap((claim, at) => {
    const killedAt = kills.get(claim.process)
    const next = claims[at + 1]
    const isSettled = settles.some(({ starts, outcome }) => starts === claim.starts && outcome !== 'fenced')
    if (killedAt === undefined || next === undefined || isSettled || next.answeredAt < killedAt) return []
    return [next.answeredAt - killedAt]
  })
}
