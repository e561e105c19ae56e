const MOST_REMEMBERED = 10_000

/** The ids of calls of which nobody knows whether the queue has them: they are not run here under the same id. */
export interface Doubts {
  has(id: string): boolean
  add(id: string): void
  settle(id: string): void
}

/** Remembers the last 10,000. */
export function createDoubts(): Doubts {
  const ids = new Set<string>()
  return {
    has: (id) => ids.has(id),
    add(id) {
      ids.add(id)
      const [oldest] = ids
      if (ids.size > MOST_REMEMBERED && oldest !== undefined) ids.delete(oldest)
    },
    settle: (id) => void ids.delete(id),
  }
}
