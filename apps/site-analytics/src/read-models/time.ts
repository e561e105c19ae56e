const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** Whole minutes since the epoch. */
export function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS)
}

/** Whole hours since the epoch. */
export function hourOf(ms: number): number {
  return Math.floor(ms / HOUR_MS)
}
