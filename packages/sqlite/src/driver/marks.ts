import { positionOf, type Position } from '@millrace/core/driver'
import type { Mark } from '../write/mark.ts'

/** How far the partitions of a consumer are marked, kept ahead of what it fetches while it fetches much. */
export interface Marks {
  /** Up to where the mark of a partition is in the file. */
  of(partition: number): Position | undefined
  /** These are in the file. */
  stored(marks: Iterable<Pick<Mark, 'partition' | 'upTo'>>): void
  /** So many events of each partition were fetched, up to `after`: marks that the next fetch may pass are stored meanwhile. */
  fetched(counts: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): void
}

/**
 * Fetches like the last one that the marks reach beyond it when they are stored. After a crash everything up to the mark runs alone,
 * so it is not far, and only where handlers are that quick.
 */
const FETCHES_AHEAD = 3
const QUICK_PER_MS = 10
/** Fewer records than these are no hurry. */
const MUCH = 64

/** `store` resolves with the partitions that were refused. Where it fails, the core stores the mark itself, and says what is wrong. */
export function createMarks(
  tokens: ReadonlyMap<number, number>,
  store: (marks: readonly Mark[]) => Promise<readonly number[]>,
  monotonic: () => number,
): Marks {
  const stored = new Map<number, { readonly upTo: number; readonly position: Position }>()
  let storing = false
  let fetchedAt = 0

  function keep({ partition, upTo }: Pick<Mark, 'partition' | 'upTo'>): void {
    const known = stored.get(partition)
    if (known === undefined || known.upTo < upTo) stored.set(partition, { upTo, position: positionOf(upTo) })
  }

  async function extend(marks: readonly Mark[]): Promise<void> {
    storing = true
    try {
      const fenced = await store(marks)
      for (const mark of marks) if (!fenced.includes(mark.partition)) keep(mark)
    } catch {
      // The core stores what it needs, again and again.
    }
    storing = false
  }

  return {
    of: (partition) => stored.get(partition)?.position,
    stored(marks) {
      for (const mark of marks) keep(mark)
    },
    fetched(counts, after) {
      let records = 0
      for (const count of counts.values()) records += count
      if (records < MUCH) return
      const elapsed = monotonic() - fetchedAt
      fetchedAt += elapsed
      if (storing || records < elapsed * QUICK_PER_MS) return
      const share = Math.ceil(records / after.size)
      const marks: Mark[] = []
      let isNear = false
      for (const [partition, seq] of after) {
        const fetch = Math.max(share, counts.get(partition) ?? 0)
        const left = (stored.get(partition)?.upTo ?? 0) - seq
        if (left < fetch) isNear = true
        if (left < fetch * FETCHES_AHEAD) {
          marks.push({ partition, token: tokens.get(partition) ?? 0, upTo: seq + fetch * FETCHES_AHEAD })
        }
      }
      if (isNear) void extend(marks)
    },
  }
}
