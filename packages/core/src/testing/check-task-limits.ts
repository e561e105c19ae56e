import type { ReadTaskHistory, SeenClaim, SeenRun } from './read-task-history.ts'
import { claimEndsFrom } from './task-claim-end.ts'
import type { TaskRules } from './task-history.ts'
import type { Violation } from './violation.ts'

/** A stretch in which a claim was certainly alive, and under which limits. */
interface Alive {
  readonly claim: SeenClaim
  readonly until: number
  readonly limit: number
}

/** Never more claims alive than a queue or a key allows, and never two suspects at work in a process. */
export function checkTaskLimits(read: ReadTaskHistory, rules: TaskRules): Violation[] {
  const lanes = new Map<string, Alive[]>()
  const within = (lane: string, alive: Alive): void => {
    lanes.set(lane, [...(lanes.get(lane) ?? []), alive])
  }
  for (const story of read.stories.values()) {
    for (const claim of story.claims) {
      const limits = rules.queues[claim.queue]
      if (limits === undefined) continue
      const crashed = read.crashes.find((at) => at > claim.invokedAt) ?? Infinity
      const until = Math.min(claimEndsFrom(claim, story, read), crashed)
      if (limits.concurrency !== undefined) within(claim.queue, { claim, until, limit: limits.concurrency })
      const ofKey = limits.key?.order === true ? 1 : limits.key?.concurrency
      if (claim.key !== undefined && ofKey !== undefined)
        within(`${claim.queue} ${claim.key}`, { claim, until, limit: ofKey })
    }
  }
  return [...[...lanes].flatMap(([lane, all]) => beyond(lane, all)), ...suspects(read)]
}

function beyond(lane: string, all: readonly Alive[]): Violation[] {
  const violations: Violation[] = []
  let alive: readonly Alive[] = []
  for (const next of all.toSorted((a, b) => a.claim.answeredAt - b.claim.answeredAt)) {
    alive = [...alive.filter(({ until }) => until > next.claim.answeredAt), next]
    if (alive.length <= next.limit || next.until <= next.claim.answeredAt) continue
    const who = alive.map(({ claim }) => `${claim.id} in ${claim.process}`).join(', ')
    violations.push({
      property: 'limit',
      text: `${lane} allows ${next.limit} at once and had ${alive.length}: ${who}.`,
    })
  }
  return violations
}

/**
 * What a worker has died with runs with no other of its kind beside it. A run is over when its claim is: a handler that its
 * worker has given up, held for dead, cannot be stopped, and is none that others wait for.
 */
function suspects(read: ReadTaskHistory): Violation[] {
  const suspected = [...read.stories.values()].flatMap((story) =>
    story.runs.flatMap((run) => {
      const claim = claimOf(run, story.claims)
      if (claim === undefined || claim.crashes === 0) return []
      return [{ ...run, endedAt: Math.min(run.endedAt, claimEndsFrom(claim, story, read)) }]
    }),
  )
  return [...Map.groupBy(suspected, ({ process }) => process)].flatMap(([process, runs]) => {
    const violations: Violation[] = []
    let last: SeenRun | undefined
    for (const run of runs.toSorted((a, b) => a.startedAt - b.startedAt)) {
      if (last !== undefined && last.endedAt > run.startedAt)
        violations.push({ property: 'overlap', text: `${process} ran the suspects ${last.id} and ${run.id} at once.` })
      if (last === undefined || run.endedAt > last.endedAt) last = run
    }
    return violations
  })
}

/** The last claim of its process before it began. */
function claimOf(run: SeenRun, claims: readonly SeenClaim[]): SeenClaim | undefined {
  return claims.findLast(({ process, answeredAt }) => process === run.process && answeredAt <= run.startedAt)
}
