import type { Statements } from '../../file/statements.ts'

interface Front {
  rows: (readonly [rank: number, n: number])[]
  at: number
  count: number
  ended: boolean
}

const SELECT = `
  SELECT rank, n FROM task_ready WHERE queue = ? AND suspect = ? AND name = ? AND (rank, n) > (?, ?)
  ORDER BY rank, n LIMIT ?`

/** How many of the ready tasks of each name are among the first `limit` by rank: names that nobody knows are never walked over. */
export function countsOfNames(
  sql: Statements,
  query: {
    readonly queue: number
    readonly suspect: number
    readonly nameIds: readonly number[]
    readonly limit: number
  },
): number[] {
  const { queue, suspect, nameIds, limit } = query
  const chunk = Math.ceil(limit / nameIds.length) + 4
  const fronts = nameIds.map((): Front => ({ rows: [], at: 0, count: 0, ended: false }))
  const headOf = (front: Front, nameId: number): readonly [number, number] | undefined => {
    if (front.at >= front.rows.length && !front.ended) {
      const [rank, n] = front.rows.at(-1) ?? [Number.MIN_SAFE_INTEGER, 0]
      front.rows = sql.arrays<[number, number]>(SELECT, queue, suspect, nameId, rank, n, chunk)
      front.at = 0
      front.ended = front.rows.length === 0
    }
    return front.rows[front.at]
  }
  for (let left = limit; left > 0; left--) {
    let best: Front | undefined
    let lowest: readonly [number, number] | undefined
    for (const [index, front] of fronts.entries()) {
      const head = headOf(front, nameIds[index] ?? 0)
      if (head === undefined) continue
      if (lowest !== undefined && (head[0] > lowest[0] || (head[0] === lowest[0] && head[1] > lowest[1]))) continue
      best = front
      lowest = head
    }
    if (best === undefined) break
    best.at += 1
    best.count += 1
  }
  return fronts.map(({ count }) => count)
}
