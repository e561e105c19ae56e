import type { Statements } from '../file/statements.ts'

const SELECT_RECORDED = 'SELECT recorded FROM events WHERE pos = ((? << 44) | ?)'

/** The first sequence number recorded at or after a time; one beyond the head when there is none. A binary search. */
export function firstSeqSince(
  sql: Statements,
  partition: { readonly id: number; readonly head: number; readonly dropped: number },
  time: number,
): number {
  let low = partition.dropped + 1
  let high = partition.head + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const recorded = sql.get<{ recorded: number }>(SELECT_RECORDED, partition.id, middle)?.recorded
    if (recorded === undefined || recorded < time) low = middle + 1
    else high = middle
  }
  return low
}
