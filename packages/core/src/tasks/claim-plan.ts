import type { TaskClaim } from '../driver/task-store.ts'

/** What a line would take. */
export interface Appetite {
  readonly queue: string
  readonly name: string
  readonly wanted: number
}

/**
 * The claims of one exchange. Lines that share a queue first claim together as much as each of them could take, so that the limits
 * of the queue go to whichever task is first; then each alone what is left of its appetite. One claim of a queue may bring a suspect; only
 * that of the queue `suspected`, when there is one. Pure.
 */
export function planClaims(
  appetites: readonly Appetite[],
  { suspects, suspected }: { readonly suspects: number; readonly suspected?: string | undefined },
): readonly TaskClaim[] {
  const byQueue = new Map<string, Appetite[]>()
  for (const appetite of appetites) {
    if (appetite.wanted <= 0) continue
    const of = byQueue.get(appetite.queue)
    if (of === undefined) byQueue.set(appetite.queue, [appetite])
    else of.push(appetite)
  }
  const claims: TaskClaim[] = []
  const isAsked = suspected !== undefined && byQueue.has(suspected)
  for (const [queue, of] of byQueue) {
    const together = of.length === 1 ? 0 : Math.min(...of.map((each) => each.wanted))
    let left = isAsked && queue !== suspected ? 0 : suspects
    if (together > 0) {
      claims.push({ queue, names: of.map((each) => each.name), limit: together, suspects: left })
      left = 0
    }
    for (const { name, wanted } of of) {
      if (wanted <= together) continue
      claims.push({ queue, names: [name], limit: wanted - together, suspects: left })
      left = 0
    }
  }
  return claims
}
