import { MillraceError, type Position } from '@millrace/core/driver'

const WIDTH = 16

/** The position of an event: its sequence number within the partition, counted from 1. */
export function positionOf(seq: number): Position {
  return String(seq).padStart(WIDTH, '0')
}

/** The sequence number of a position; 0 for none (undefined or empty). Throws `position_invalid`. */
export function seqOf(position: Position | undefined): number {
  if (position === undefined || position === '') return 0
  const seq = position.length === WIDTH && /^\d+$/.test(position) ? Number(position) : Number.NaN
  if (Number.isSafeInteger(seq)) return seq
  throw new MillraceError(
    'position_invalid',
    `"${position.slice(0, 40)}" is not a position of this engine: ${WIDTH} digits are expected.`,
  )
}
