import { defineEvent } from '@millrace/core'

/** What the crash proof publishes: `n` decides how handlers treat it. */
interface Work {
  readonly n: number
  readonly key: string
}

/** Checks nothing: a worker must start fast, as most of them live for a second. */
const work = {
  '~standard': { version: 1, vendor: 'crash-proof', validate: (value: unknown) => ({ value: value as Work }) },
} as const

export const OrderPlaced = defineEvent('order.placed', { schema: work, key: (data: Work) => data.key })
export const StockMoved = defineEvent('stock.moved', { schema: work, key: (data: Work) => data.key })
export const TOPICS = { order: { partitions: 4 }, stock: { partitions: 2 } }
export const LEASE_MS = 1_000
export const KEYS = 16

export const GROUPS = [
  { group: 'billing', events: [OrderPlaced], ordering: 'key', attempts: 4, onDeadLetter: 'continue' },
  { group: 'audit', events: [OrderPlaced, StockMoved], ordering: 'key', attempts: 3, onDeadLetter: 'park-key' },
] as const

/** What a handler does with an event until the workers are told that the world is healed; what is `repaired` does not die. */
export function treatmentOf(
  n: number,
  attempt: number,
  { repaired = false }: { readonly repaired?: boolean } = {},
): { readonly does: 'fail' | 'reject' | 'later' | 'work'; readonly ms: number } {
  if (n % 53 === 7 && attempt <= 2) return { does: 'fail', ms: 0 }
  if (n % 43 === 5 && !repaired) return { does: 'reject', ms: 0 }
  if (n % 71 === 11 && !repaired) return { does: 'fail', ms: 0 }
  if (n % 61 === 3 && attempt === 1) return { does: 'later', ms: 40 }
  if (n % 1_501 === 13 && attempt === 1) return { does: 'later', ms: 5_500 }
  return { does: 'work', ms: (n * 7) % 25 }
}
