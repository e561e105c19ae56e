import type { Position } from '../driver/position.ts'
import { MillraceError } from '../runtime/error.ts'

const WIDTH = 16

/** The position of the event with this sequence number, counted from 1 within its partition. */
export function positionOf(sequence: number): Position {
  return String(sequence).padStart(WIDTH, '0')
}

/** The sequence number of a position; 0 for none. Throws `position_invalid`. */
export function sequenceOf(position: Position | undefined): number {
  if (position === undefined) return 0
  const sequence = position.length === WIDTH && /^\d+$/.test(position) ? Number(position) : Number.NaN
  if (Number.isSafeInteger(sequence)) return sequence
  throw new MillraceError(
    'position_invalid',
    `"${position.slice(0, 40)}" is not a position of this engine: ${WIDTH} digits are expected.`,
  )
}
