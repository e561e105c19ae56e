/** A place in one partition: a string of fixed width whose order as a string is the order of the events. */
export type Position = string

/** An inclusive span of delivered positions. */
export type PositionRange = readonly [from: Position, to: Position]
