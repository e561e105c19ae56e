import type { EventMessage } from '@millrace/core'
import { AnalyticsRejected, type Origin } from '../events.ts'
import { printable } from '../printable.ts'

/** A bad input and why it is one. */
export interface BadInput {
  readonly from: 'beacon' | 'log'
  readonly origin: Origin
  readonly reason: string
  readonly raw: string
  /** Whether `raw` is the beginning of something longer. */
  readonly cut?: boolean
  readonly visitor?: string
  readonly line?: number
}

/** The event that keeps a bad input for people to look at. */
export function rejectedEvent(
  { raw, cut = false, reason, ...rest }: BadInput,
  options: { readonly id?: string; readonly source: string; readonly correlationId?: string },
): EventMessage {
  const { text, truncated } = printable(raw)
  return AnalyticsRejected.create(
    { ...rest, reason: reason.slice(0, 200), raw: text, truncated: truncated || cut },
    options,
  )
}
