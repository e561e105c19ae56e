import type { TaskRate } from '../../driver/queue-settings.ts'

/** A token bucket. It begins full; tokens below zero are a debt. */
export interface Bucket {
  readonly rate: TaskRate
  tokens: number
  /** When the tokens were counted, in milliseconds. */
  at: number
}

export function createBucket(rate: TaskRate, at: number): Bucket {
  return { rate, tokens: rate.limit, at }
}

/** Adds what has come since, and returns the tokens. */
export function refill(bucket: Bucket, at: number): number {
  const { limit, perMs } = bucket.rate
  if (at > bucket.at) bucket.tokens = Math.min(limit, bucket.tokens + ((at - bucket.at) * limit) / perMs)
  bucket.at = Math.max(bucket.at, at)
  return bucket.tokens
}

/** Milliseconds until there are so many tokens. */
export function untilTokens(bucket: Bucket, wanted: number, at: number): number {
  const missing = wanted - refill(bucket, at)
  return missing <= 0 ? 0 : Math.ceil((missing * bucket.rate.perMs) / bucket.rate.limit)
}
