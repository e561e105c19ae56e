import type { ReadTaskHistory, SeenClaim, SeenSettle, TaskStory } from './read-task-history.ts'
import type { TaskRules } from './task-history.ts'

/** Whether a settle may have been carried out, and ended its task for good. */
export function isFinalSettle({ as, outcome }: SeenSettle): boolean {
  return outcome !== 'fenced' && as !== 'retry' && as !== 'release'
}

/** The first moment at which a claim may have ended in the store; infinite when nothing was seen that could end it. */
export function claimEndsFrom(claim: SeenClaim, story: TaskStory, read: ReadTaskHistory): number {
  const settled = story.settles
    .filter(({ starts, worker, outcome }) => starts === claim.starts && worker === claim.worker && outcome !== 'fenced')
    .map(({ invokedAt }) => invokedAt)
  const reclaimed = read.reclaims
    .filter(({ worker, answeredAt, count }) => worker === claim.worker && answeredAt > claim.invokedAt && count !== 0)
    .map(({ invokedAt }) => invokedAt)
  return Math.min(Infinity, ...settled, ...reclaimed)
}

/** The first moment at which a task may have come to its end; infinite when nothing was seen that could end it. */
export function taskEndsFrom(story: TaskStory, read: ReadTaskHistory): number {
  const workers = new Set(story.claims.map(({ worker }) => worker))
  return Math.min(
    Infinity,
    ...story.settles
      .filter(({ outcome }) => outcome !== 'fenced')
      .filter((settle) => isFinalSettle(settle) || story.cancels.length > 0)
      .map(({ invokedAt }) => invokedAt),
    ...story.cancels.map(({ invokedAt }) => invokedAt),
    // Its last crash, or the end of what was asked to cancel.
    ...read.reclaims
      .filter(({ worker, count }) => workers.has(worker) && count !== 0)
      .map(({ invokedAt }) => invokedAt),
    ...(story.adds.some(({ task }) => task.expires) ? [0] : []),
  )
}

/** Whether a server that died may have forgotten what it had answered at `answeredAt`, before `until`. */
export function mayBeForgotten(
  { invokedAt, answeredAt }: { readonly invokedAt: number; readonly answeredAt: number },
  until: number,
  { crashes, rules }: { readonly crashes: readonly number[]; readonly rules: TaskRules },
): boolean {
  if (rules.forgetsMs === 0) return false
  return crashes.some((at) => at > invokedAt && at < until && at < answeredAt + rules.forgetsMs)
}
