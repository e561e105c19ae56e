import type { FinalState } from './history.ts'
import type { ReadHistory } from './read-history.ts'
import type { Violation } from './violation.ts'

/** What was stored against what the publishers were told. */
export function checkPublishes(read: ReadHistory, final: FinalState): Violation[] {
  const violations: Violation[] = []
  const stored = new Map<string, number>()
  for (const { id } of final.events) stored.set(id, (stored.get(id) ?? 0) + 1)
  for (const id of read.acknowledged) {
    if (!stored.has(id))
      violations.push({ property: 'lost', text: `The event ${id} was acknowledged and is not stored.` })
  }
  for (const [id, count] of stored) {
    if (count > 1) violations.push({ property: 'stored-twice', text: `The event ${id} is stored ${count} times.` })
    if (!read.invoked.has(id)) violations.push({ property: 'phantom', text: `The event ${id} was never published.` })
    const code = read.rejected.get(id)
    if (code !== undefined) {
      violations.push({ property: 'rejected-seen', text: `The event ${id} was rejected (${code}) and is stored.` })
    }
  }
  return violations
}
