import { checkDeliveries } from './check-deliveries.ts'
import { checkHandling } from './check-handling.ts'
import { checkLeases } from './check-leases.ts'
import { checkPublishes } from './check-publishes.ts'
import type { FinalState, HistoryEntry } from './history.ts'
import { partitionNameOf, readHistory } from './read-history.ts'
import type { Violation } from './violation.ts'

/** What a history shows beside violations. */
export interface HistoryReport {
  readonly violations: readonly Violation[]
  readonly counts: {
    readonly acknowledged: number
    readonly unknown: number
    readonly rejected: number
    readonly stored: number
    readonly handled: number
    /** Deliveries that came again after a crash or a lost lease, as promised. */
    readonly duplicatesAllowed: number
    readonly deadLetters: number
    readonly requeued: number
    readonly fenced: number
    readonly claims: number
    readonly uncleanClaims: number
  }
  /** Milliseconds from the kill of a process to the next claim of each of its partitions. */
  readonly takeoverMs: readonly number[]
}

/**
 * Judges a history against the promises: pure, the same for simulated and real processes. Entries must be in the order of
 * their times.
 */
export function checkHistory(history: readonly HistoryEntry[], final: FinalState): HistoryReport {
  const read = readHistory(history)
  const deliveries = checkDeliveries(read, final)
  return {
    violations: [
      ...checkPublishes(read, final),
      ...deliveries.violations,
      ...checkHandling(read, final),
      ...checkLeases(read),
    ],
    counts: {
      acknowledged: read.acknowledged.size,
      unknown: read.unknown.size,
      rejected: read.rejected.size,
      stored: final.events.length,
      handled: read.handlings.length,
      duplicatesAllowed: deliveries.duplicatesAllowed,
      deadLetters: final.letters.length,
      requeued: read.requeued.length,
      fenced: read.writes.filter((write) => !write.accepted).length,
      claims: read.claims.length,
      uncleanClaims: read.claims.filter((claim) => !claim.clean).length,
    },
    takeoverMs: takeovers(history),
  }
}

function takeovers(history: readonly HistoryEntry[]): number[] {
  const owners = new Map<string, string>()
  const killedAt = new Map<string, number>()
  const times: number[] = []
  for (const entry of history) {
    if (entry.kind === 'process' && entry.phase === 'kill') killedAt.set(entry.process, entry.at)
    if (entry.kind !== 'claim') continue
    const place = partitionNameOf(entry)
    const killed = killedAt.get(owners.get(place) ?? '')
    if (killed !== undefined) times.push(entry.at - killed)
    owners.set(place, entry.process)
  }
  return times
}
