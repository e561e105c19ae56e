import type { PartitionProgress, Progress } from '../transport.ts'
import { optionalPosition, positionOf, seqOf } from './sequence.ts'

/** Progress as a row keeps it: sequence numbers, and lists as JSON. */
export interface ProgressRow {
  readonly settled: number
  readonly fetched_high: number
  readonly ahead_count: number
  /** `[[from, to], ...]`, inclusive. */
  readonly ahead: string
  /** `[[seq, attempts, firstFailedAt], ...]` */
  readonly attempts: string
  /** `[seq, deaths]` */
  readonly starting: string | null
}

/** One partition's part of a settle. */
export interface SettleRow extends ProgressRow {
  readonly partition: number
  readonly token: number
}

export function encodeProgress(progress: PartitionProgress): SettleRow {
  const { partition, token, settled, ahead, fetchedHigh, aheadCount, attempts, starting } = progress
  return {
    partition,
    token,
    settled: seqOf(settled),
    fetched_high: seqOf(fetchedHigh),
    ahead_count: aheadCount,
    ahead: ahead.length === 0 ? '[]' : JSON.stringify(ahead.map(([from, to]) => [seqOf(from), seqOf(to)])),
    attempts:
      attempts.length === 0
        ? '[]'
        : JSON.stringify(attempts.map((mark) => [seqOf(mark.position), mark.attempts, mark.firstFailedAt])),
    starting: starting === undefined ? null : JSON.stringify([seqOf(starting.position), starting.deaths]),
  }
}

export function decodeProgress(row: ProgressRow): Progress {
  const starting = row.starting === null ? undefined : (JSON.parse(row.starting) as [number, number])
  return {
    settled: optionalPosition(row.settled),
    fetchedHigh: optionalPosition(row.fetched_high),
    aheadCount: row.ahead_count,
    ahead: decodeRanges(row.ahead).map(([from, to]) => [positionOf(from), positionOf(to)]),
    attempts: (JSON.parse(row.attempts) as [number, number, number][]).map(([seq, attempts, firstFailedAt]) => ({
      position: positionOf(seq),
      attempts,
      firstFailedAt,
    })),
    ...(starting === undefined ? {} : { starting: { position: positionOf(starting[0]), deaths: starting[1] } }),
  }
}

/** The ranges that are settled ahead, as sequence numbers. */
export function decodeRanges(ahead: string): readonly (readonly [from: number, to: number])[] {
  return JSON.parse(ahead) as [number, number][]
}
