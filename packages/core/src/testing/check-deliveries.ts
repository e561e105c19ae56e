import { matchesPattern } from '../contract/event-name.ts'
import type { FinalEvent, FinalGroup, FinalState } from './history.ts'
import { partitionNameOf, type Claim, type Handling, type ReadHistory, type Write } from './read-history.ts'
import type { Violation } from './violation.ts'

/** Every stored event at every group: handled or in its dead letters, not twice without a cause, in the order of its key. */
export function checkDeliveries(
  read: ReadHistory,
  final: FinalState,
): { readonly violations: readonly Violation[]; readonly duplicatesAllowed: number } {
  const violations: Violation[] = []
  const handled = Map.groupBy(read.handlings, deliveryName)
  const claims = Map.groupBy(read.claims, partitionNameOf)
  const writes = Map.groupBy(read.writes, partitionNameOf)
  const lettered = new Set(final.letters.map(({ group, id }) => `${group} ${id}`))
  const requeued = new Map(read.requeued.map(({ group, id, line }) => [`${group} ${id}`, line]))
  let duplicatesAllowed = 0
  for (const group of final.groups) {
    const events = final.events.filter((event) => listens(group, event))
    for (const event of events) {
      const name = `${group.group} ${event.id}`
      const runs = handled.get(name) ?? []
      const again = requeued.get(name) ?? -1
      if (!lettered.has(name) && !runs.some(({ outcome, endLine }) => outcome === 'done' && endLine > again)) {
        const tried = runs.map(({ outcome, process }) => `${outcome ?? 'died'} in ${process}`).join(', ')
        violations.push({
          property: 'lost',
          text: `The event ${event.id} (${placeOf(event)}) was neither handled by ${group.group} nor is it in its dead letters${again >= 0 ? ' after a requeue' : ''}. Tried: ${tried || 'never'}.`,
        })
      }
      if (again >= 0) continue
      const { allowed, without } = duplicatesOf(runs, { claims, writes, crashes: read.engineCrashes })
      duplicatesAllowed += allowed
      violations.push(...without)
    }
    if (group.ordering === 'key') violations.push(...orderOf(events, group, handled, requeued))
  }
  violations.push(...phantoms(read, final), ...replays(read, handled, lettered))
  return { violations, duplicatesAllowed }
}

/** Handlings of one event by one group, replays apart. */
function deliveryName({ group, id, generation }: Handling): string {
  return generation === 0 ? `${group} ${id}` : `${group} ${id} again`
}

/** The delivery that was the first to be done: not always the first to begin. */
function firstDone(runs: readonly Handling[]): Handling | undefined {
  let first: Handling | undefined
  for (const run of runs) {
    if (run.outcome === 'done' && (first === undefined || run.endLine < first.endLine)) first = run
  }
  return first
}

/**
 * What an engine that goes down may lose of the settles and claims that it has answered: they are not synced one by one, since
 * losing them costs a second delivery and no event. PostgreSQL writes its log every 0.2 s and at most three times that late.
 */
const UNSYNCED_MS = 1_500

/** What may be behind a second delivery, by partition. */
interface Causes {
  readonly claims: ReadonlyMap<string, readonly Claim[]>
  readonly writes: ReadonlyMap<string, readonly Write[]>
  readonly crashes: ReadHistory['engineCrashes']
}

/**
 * A delivery after one that was done needs a cause: its partition was taken over from an owner that ended uncleanly, or the engine
 * went down right after the first was settled, which may be long after it was done, and lost the settle.
 */
function duplicatesOf(
  runs: readonly Handling[],
  { claims, writes, crashes }: Causes,
): { readonly allowed: number; readonly without: readonly Violation[] } {
  const without: Violation[] = []
  let allowed = 0
  const first = firstDone(runs)
  if (first === undefined) return { allowed, without }
  // An owner that has lost its lease may not know it yet when it begins, be it the first or the second.
  const leasedAt = (run: Handling): number =>
    (claims.get(partitionNameOf(run)) ?? []).findLast(
      ({ process, line }) => process === run.process && line < run.startLine,
    )?.line ?? 0
  const isForgotten = (run: Handling): boolean => {
    const between = crashes.filter(({ line }) => line > first.startLine && line < run.startLine)
    if (between.length === 0) return false
    const settledAt = settleOf(first, writes)?.at ?? Infinity
    return between.some(({ at }) => at < settledAt + UNSYNCED_MS)
  }
  for (const run of runs) {
    if (run.startLine <= first.endLine) continue
    const since = claims.get(partitionNameOf(run)) ?? []
    const owned = Math.min(leasedAt(first), leasedAt(run))
    const isTakenOver = since.some(({ line, clean }) => !clean && line > owned && line < run.startLine)
    if (isTakenOver || isForgotten(run)) {
      allowed += 1
    } else {
      without.push({
        property: 'duplicate',
        text: `The event ${run.id} (${placeOf(run)}) was done by ${run.group} in ${first.process} and came again in ${run.process}, though nobody had died or lost the lease in between.`,
      })
    }
  }
  return { allowed, without }
}

/** The first write of its process, after a delivery, that may have told the engine of it. */
function settleOf(run: Handling, writes: Causes['writes']): Write | undefined {
  return writes.get(partitionNameOf(run))?.find(({ process, accepted, invokedAt, line }) => {
    return process === run.process && accepted && line > run.endLine && invokedAt >= run.endedAt
  })
}

/** First completed deliveries of a key must follow the order of positions. Dead letters and requeues have left the order. */
function orderOf(
  events: readonly FinalEvent[],
  group: FinalGroup,
  handled: ReadonlyMap<string, readonly Handling[]>,
  requeued: ReadonlyMap<string, number>,
): Violation[] {
  const violations: Violation[] = []
  const byKey = Map.groupBy(
    events.filter(({ key }) => key !== undefined),
    ({ topic, key }) => `${topic} ${key}`,
  )
  for (const ofKey of byKey.values()) {
    let latest: Handling | undefined
    for (const { id } of ofKey.toSorted((a, b) => (a.position < b.position ? -1 : 1))) {
      const name = `${group.group} ${id}`
      if (requeued.has(name)) continue
      const first = firstDone(handled.get(name) ?? [])
      if (first === undefined) continue
      if (latest !== undefined && first.endLine < latest.endLine) {
        violations.push({
          property: 'reordered',
          text: `In ${group.group} the key ${first.key} of ${first.topic} had position ${first.position} (${first.process}) done before ${latest.position} (${latest.process}).`,
        })
      } else latest = first
    }
  }
  return violations
}

function phantoms(read: ReadHistory, final: FinalState): Violation[] {
  const stored = new Set(final.events.map(({ id }) => id))
  return read.handlings
    .filter(({ id }) => !read.invoked.has(id) || !stored.has(id))
    .map((run) => ({
      property: read.rejected.has(run.id) ? 'rejected-seen' : 'phantom',
      text: `The event ${run.id} was handled by ${run.group} and is ${read.invoked.has(run.id) ? 'not stored' : 'nobody’s'}.`,
    }))
}

function replays(
  read: ReadHistory,
  handled: ReadonlyMap<string, readonly Handling[]>,
  lettered: ReadonlySet<string>,
): Violation[] {
  return read.replayed
    .filter(
      ({ group, id }) =>
        !lettered.has(`${group} ${id}`) &&
        !(handled.get(`${group} ${id} again`) ?? []).some(({ outcome }) => outcome === 'done'),
    )
    .map(({ group, id }) => ({ property: 'lost', text: `The event ${id} was replayed into ${group} and not handled.` }))
}

function listens(group: FinalGroup, event: FinalEvent): boolean {
  return group.types.some((type) => type === event.type || matchesPattern(type, event.type))
}

function placeOf({
  topic,
  partition,
  position,
}: {
  readonly topic: string
  readonly partition: number
  readonly position: string
}): string {
  return `${topic} ${partition} ${position}`
}
