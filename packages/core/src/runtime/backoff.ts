/** How the wait between attempts grows. All times in milliseconds. */
export interface Backoff {
  /** The longest wait before the second attempt. */
  readonly first: number
  /** What the longest wait is multiplied by for each further attempt. */
  readonly factor: number
  /** The longest wait ever. */
  readonly ceiling: number
}

/** 200 ms, doubling, at most a minute. */
export const DEFAULT_BACKOFF: Backoff = { first: 200, factor: 2, ceiling: 60_000 }

/**
 * The wait in milliseconds after the failed attempt number `attempt` (1 is the first): exponential with full jitter,
 * `random` (in [0, 1)) of the bound, which spreads retries best (Brooker, "Exponential Backoff And Jitter", 2015).
 */
export function backoffDelay({ first, factor, ceiling }: Backoff, attempt: number, random: number): number {
  // The power may be Infinity, and no wait times that is no number.
  const bound = first === 0 ? 0 : Math.min(ceiling, first * factor ** Math.max(0, attempt - 1))
  return Math.round(bound * random)
}
