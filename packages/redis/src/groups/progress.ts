import type { Progress } from '@millrace/core/driver'
import { positionOfId } from '../position.ts'

/** Progress as a hash keeps it: JSON with short names, positions as they are. */
interface Stored {
  readonly s?: string
  readonly h?: string
  readonly c?: number
  readonly a?: readonly (readonly [string, string])[]
  /** `[position, attempts, firstFailedAt]` */
  readonly f?: readonly (readonly [string, number, number])[]
  /** `[position, deaths]` */
  readonly b?: readonly [string, number]
}

export function encodeProgress({ settled, ahead, fetchedHigh, aheadCount, attempts, starting }: Progress): string {
  const stored: Stored = {
    ...(settled === undefined ? {} : { s: settled }),
    ...(fetchedHigh === undefined ? {} : { h: fetchedHigh }),
    ...(aheadCount === 0 ? {} : { c: aheadCount }),
    ...(ahead.length === 0 ? {} : { a: ahead }),
    ...(attempts.length === 0
      ? {}
      : { f: attempts.map((mark) => [mark.position, mark.attempts, mark.firstFailedAt] as const) }),
    ...(starting === undefined ? {} : { b: [starting.position, starting.deaths] as const }),
  }
  return JSON.stringify(stored)
}

export function decodeProgress(text: string): Progress {
  const { s, h, c = 0, a = [], f = [], b } = JSON.parse(text) as Stored
  return {
    settled: s,
    fetchedHigh: h,
    aheadCount: c,
    ahead: a.map(([from, to]) => [from, to]),
    attempts: f.map(([position, attempts, firstFailedAt]) => ({ position, attempts, firstFailedAt })),
    ...(b === undefined ? {} : { starting: { position: b[0], deaths: b[1] } }),
  }
}

/** Progress with the mark that a fetch has stored beside it: the stream id of what was fetched last, null where none has. */
export function withMark(progress: Progress, mark: string | null): Progress {
  if (mark === null) return progress
  const position = positionOfId(mark)
  const { fetchedHigh } = progress
  return fetchedHigh !== undefined && fetchedHigh >= position ? progress : { ...progress, fetchedHigh: position }
}
