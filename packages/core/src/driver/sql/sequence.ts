import { MillraceError } from '../../runtime/error.ts'
import type { Position } from '../position.ts'

const WIDTH = 16
/** More events than a partition will ever have; a number below fits beside that of the partition in a key of 64 bits. */
const MOST = 2 ** 44

/** The position of an event: its sequence number within the partition, counted from 1. */
export function positionOf(seq: number): Position {
  return String(seq).padStart(WIDTH, '0')
}

/** A position, or undefined for sequence number 0: none. */
export function optionalPosition(seq: number): Position | undefined {
  return seq === 0 ? undefined : positionOf(seq)
}

/** The sequence number of a position; 0 for none (undefined or empty). Throws `position_invalid`. */
export function seqOf(position: Position | undefined): number {
  if (position === undefined || position === '') return 0
  const seq = position.length === WIDTH && /^\d+$/.test(position) ? Number(position) : Number.NaN
  if (seq < MOST) return seq
  throw new MillraceError(
    'position_invalid',
    `"${position.slice(0, 40)}" is not a position of this engine: ${WIDTH} digits are expected.`,
  )
}
