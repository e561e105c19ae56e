/** How much is measured. */
export interface Extent {
  /** Measurements of each contender, alternating. */
  readonly runs: number
  /** Multiplies the numbers of events: below 1 for a quick look. */
  readonly scale: number
}
