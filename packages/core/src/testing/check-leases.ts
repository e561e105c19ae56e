import { partitionNameOf, type ReadHistory } from './read-history.ts'
import type { Violation } from './violation.ts'

/** Nobody writes under a lease that has moved on, and nobody hands a partition over while he works on it. */
export function checkLeases({ claims, giveBacks, writes, handlings }: ReadHistory): Violation[] {
  const violations: Violation[] = []
  const claimsOf = Map.groupBy(claims, partitionNameOf)
  for (const write of writes) {
    if (!write.accepted) continue
    // Only a claim that had come back before the write was made is certainly earlier.
    const later = (claimsOf.get(partitionNameOf(write)) ?? []).find(
      ({ token, at }) => token > write.token && at < write.invokedAt,
    )
    if (later !== undefined) {
      violations.push({
        property: 'zombie-write',
        text: `${write.process} wrote (${write.operation}) to ${partitionNameOf(write)} under token ${write.token} after ${later.process} had claimed it under ${later.token}.`,
      })
    }
  }
  const handlingsOf = Map.groupBy(handlings, (handling) => `${handling.process} ${partitionNameOf(handling)}`)
  for (const given of giveBacks) {
    const held = claimsOf.get(partitionNameOf(given))?.find(({ token }) => token === given.token)
    const running = (handlingsOf.get(`${given.process} ${partitionNameOf(given)}`) ?? []).find(
      (handling) =>
        handling.startLine < given.line &&
        handling.endLine > given.line &&
        handling.startLine > (held?.line ?? Infinity),
    )
    if (running !== undefined) {
      violations.push({
        property: 'early-hand-over',
        text: `${given.process} gave ${partitionNameOf(given)} back while it handled ${running.position}.`,
      })
    }
  }
  return violations
}
