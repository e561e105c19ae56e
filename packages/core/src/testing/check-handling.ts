import type { FinalState } from './history.ts'
import { keyNameOf, partitionNameOf, type Handling, type ReadHistory } from './read-history.ts'
import type { Violation } from './violation.ts'

/** How handlers were called: one at a time by key, within the attempts, and what became of what failed. */
export function checkHandling(read: ReadHistory, final: FinalState): Violation[] {
  return [...overlaps(read, final), ...attempts(read, final), ...letters(final), ...drained(final)]
}

/**
 * Two handlings of one key at once break the order unless the lease moved between their beginnings: then the first is that
 * of an owner that lost it.
 */
function overlaps({ handlings, claims }: ReadHistory, final: FinalState): Violation[] {
  const violations: Violation[] = []
  const ordered = new Set(final.groups.filter(({ ordering }) => ordering === 'key').map(({ group }) => group))
  const claimsOf = Map.groupBy(claims, partitionNameOf)
  const running = new Map<string, Handling[]>()
  for (const handling of handlings) {
    if (!ordered.has(handling.group)) continue
    const name = keyNameOf(handling)
    const others = (running.get(name) ?? []).filter(({ endLine }) => endLine > handling.startLine)
    for (const other of others) {
      const ofPartition = claimsOf.get(partitionNameOf(handling)) ?? []
      const moved = ofPartition.some(({ line }) => line > other.startLine && line < handling.startLine)
      // One of them had lost the lease when it began and had not heard of it yet.
      const isStale = [other, handling].some(({ process, startLine }) => ownerAt(ofPartition, startLine) !== process)
      if (moved || isStale) continue
      violations.push({
        property: 'overlap',
        text: `${handling.group} handled ${other.position} and ${handling.position} of the key ${handling.key} in ${handling.topic} at once (${other.process}, ${handling.process}).`,
      })
    }
    running.set(name, [...others, handling])
  }
  return violations
}

function ownerAt(
  claims: readonly { readonly line: number; readonly process: string }[],
  line: number,
): string | undefined {
  return claims.findLast((claim) => claim.line < line)?.process
}

function attempts({ handlings }: ReadHistory, final: FinalState): Violation[] {
  const most = new Map(final.groups.map(({ group, attempts: allowed }) => [group, allowed]))
  return handlings
    .filter(({ group, attempt }) => attempt > (most.get(group) ?? Infinity))
    .map(({ id, group, attempt }) => ({
      property: 'attempts',
      text: `The event ${id} was given to ${group} as attempt ${attempt} of ${most.get(group)}.`,
    }))
}

function letters(final: FinalState): Violation[] {
  const violations: Violation[] = []
  const bodies = new Map(final.events.map(({ id, body }) => [id, body]))
  const seen = new Set<string>()
  for (const { group, id, topic, partition, position, body } of final.letters) {
    const name = `${group} ${topic} ${partition} ${position}`
    if (seen.has(name)) violations.push({ property: 'dead-letter', text: `Two dead letters are at ${name}.` })
    seen.add(name)
    if (bodies.get(id) !== body)
      violations.push({
        property: 'dead-letter',
        text: `The dead letter of ${id} in ${group} has not its original bytes.`,
      })
  }
  return violations
}

function drained(final: FinalState): Violation[] {
  return final.groups
    .filter(({ lag, waiting }) => lag > 0 || waiting > 0)
    .map(({ group, lag, waiting }) => ({
      property: 'not-drained',
      text: `At the end ${group} has ${lag} events unsettled and ${waiting} in its side lane.`,
    }))
}
