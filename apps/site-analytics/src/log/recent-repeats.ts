const GENERATION = 20_000

/**
 * Counts how often something was there before among the last 20,000 to 40,000 different things, in bounded memory. Equal
 * log lines are requests of the same second, so they are never further apart than that.
 */
export function recentRepeats(): (id: string) => number {
  let young = new Map<string, number>()
  let old = new Map<string, number>()
  return (id) => {
    const before = young.get(id) ?? old.get(id) ?? 0
    young.set(id, before + 1)
    if (young.size >= GENERATION) {
      old = young
      young = new Map()
    }
    return before
  }
}
