import { murmur2 } from '../driver/murmur2.ts'
import type { OperationSettings, RouteReason } from './operation.ts'

/** Where a call goes, and why. */
export interface Route {
  readonly to: 'sync' | 'async' | 'fail'
  readonly reason: RouteReason
}

const BUCKETS = 10_000
const encoder = new TextEncoder()

/** Decides where one call goes. Pure. */
export function chooseRoute({
  settings: { mode, fallback },
  isRolledOut,
  isDown,
  isSlow,
}: {
  readonly settings: OperationSettings
  readonly isRolledOut: boolean
  readonly isDown: boolean
  readonly isSlow: boolean
}): Route {
  if (mode === 'sync') return { to: 'sync', reason: 'mode' }
  if (mode === 'auto' && !isRolledOut) return { to: 'sync', reason: 'rollout' }
  if (isDown) return { to: fallback, reason: 'queue-down' }
  if (mode === 'auto' && isSlow) return { to: fallback, reason: 'queue-slow' }
  return { to: 'async', reason: mode === 'auto' ? 'rollout' : 'mode' }
}

/**
 * Whether a key is among `percent` of a hundred: always the same keys for one operation, more of them as it grows and other ones for other
 * operations. `draw` (in [0, 1)) decides for calls without a key.
 */
export function isRolledOut(
  operation: string,
  key: string | undefined,
  { percent, draw }: { readonly percent: number; readonly draw: number },
): boolean {
  if (key === undefined) return draw * 100 < percent
  const bucket = (murmur2(encoder.encode(`${operation}\n${key}`)) & 0x7fffffff) % BUCKETS
  return bucket < (percent * BUCKETS) / 100
}

/** Whether the queue is held for slow, from look to look. */
export interface Slowness {
  readonly isSlow: boolean
  /** Looks in a row that found it quick. */
  readonly quickLooks: number
}

const QUICK_SHARE = 0.5
const QUICK_LOOKS = 2

/**
 * Judges the wait of a queue, with a memory, so that calls do not jump to and fro at the bound: slow above it, quick again after two looks in a row
 * below half of it. Pure.
 */
export function judgeWait(before: Slowness, waitMs: number, maxWaitMs: number): Slowness {
  if (waitMs > maxWaitMs) return { isSlow: true, quickLooks: 0 }
  if (!before.isSlow) return before
  const quickLooks = waitMs <= maxWaitMs * QUICK_SHARE ? before.quickLooks + 1 : 0
  return { isSlow: quickLooks < QUICK_LOOKS, quickLooks }
}
