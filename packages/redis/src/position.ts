import { MillraceError, type Position } from '@millrace/core/driver'

/** Digits of the recorded time: enough until the year 2286. */
const TIME_WIDTH = 13
/** Digits of the number within the partition: what a Lua number prints without an exponent. */
const NUMBER_WIDTH = 14

/** A place in a partition as the stream has it: the recorded time in milliseconds and the number, counted from 1 without gaps. */
export interface Place {
  readonly ms: number
  readonly n: number
}

/** The place of a stream id such as `1764000000000-17`. */
export function placeOfId(id: string): Place {
  const dash = id.indexOf('-')
  return { ms: Number(id.slice(0, dash)), n: Number(id.slice(dash + 1)) }
}

/** The position of a stream id. */
export function positionOfId(id: string): Position {
  return positionOf(placeOfId(id))
}

/** The position of a place. */
export function positionOf(place: Place): Position {
  return positionsFrom(place)()
}

/** The position of a place, then those of the numbers after it. */
export function positionsFrom({ ms, n }: Place): () => Position {
  const time = `${String(ms).padStart(TIME_WIDTH, '0')}-`
  let next = n
  return () => time + String(next++).padStart(NUMBER_WIDTH, '0')
}

/** The place of a position. Throws `position_invalid`. */
export function placeOf(position: Position): Place {
  const match = /^(\d{13})-(\d{14})$/.exec(position)
  if (match !== null) return { ms: Number(match[1]), n: Number(match[2]) }
  throw new MillraceError(
    'position_invalid',
    `"${position.slice(0, 40)}" is not a position of this engine: 13 digits, a dash and 14 digits are expected.`,
  )
}

/** The number of a position within its partition; 0 for none and for what is no position of ours. */
export function numberOf(position: Position | undefined): number {
  return position === undefined ? 0 : Number(position.slice(TIME_WIDTH + 1)) || 0
}

/** When the event of a position was recorded, in milliseconds since the epoch. */
export function timeOf(position: Position): number {
  return Number(position.slice(0, TIME_WIDTH))
}

/** The stream id of a position. */
export function idOf(position: Position): string {
  const { ms, n } = placeOf(position)
  return `${ms}-${n}`
}
