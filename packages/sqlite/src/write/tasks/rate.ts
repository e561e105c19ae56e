import type { TaskRate } from '@millrace/core/driver'

/**
 * A token bucket in one number, as in the generic cell rate algorithm (ITU-T I.371): the time at which the bucket is full
 * again. An idle bucket looks like one that was never used, and a debt of tokens only moves that time further away.
 */
const SLACK_MS = 1e-6

/** How many whole tokens there are now. */
export function tokensAt({ limit, perMs }: TaskRate, fullAt: number, now: number): number {
  const missingMs = Math.max(0, fullAt - now)
  return Math.max(0, Math.floor(((perMs - missingMs + SLACK_MS) * limit) / perMs))
}

/** The bucket after tokens were taken. */
export function afterTaking({ limit, perMs }: TaskRate, fullAt: number, now: number, tokens: number): number {
  return Math.max(fullAt, now) + (tokens * perMs) / limit
}

/** When there are so many tokens, in whole milliseconds since the epoch. */
export function timeOfTokens({ limit, perMs }: TaskRate, fullAt: number, tokens: number): number {
  return Math.ceil(fullAt - perMs + (tokens * perMs) / limit - SLACK_MS)
}
