import { MillraceError } from '../runtime/error.ts'
import type { EventMessage, StoredEvent } from '../contract/event.ts'

/** What a handler may return: nothing (done), a wish to see the event again, or its refusal. */
export type HandlerResult = void | undefined | RetryLater | Reject

export interface RetryLater {
  readonly outcome: 'retry'
  readonly afterMs: number
}

export interface Reject {
  readonly outcome: 'reject'
  readonly reason: string
}

/** Asks for the event again after `after` milliseconds; counts as an attempt. Throws `request_invalid` for a time that is none. */
export function retry({ after }: { readonly after: number }): RetryLater {
  if (!(Number.isFinite(after) && after >= 0)) {
    throw new MillraceError(
      'request_invalid',
      `The handler asks for a retry after ${String(after)} ms; it must be 0 or more, and finite.`,
      { path: 'after' },
    )
  }
  return { outcome: 'retry', afterMs: after }
}

/** Sends the event to the dead letters at once: no attempt could succeed. */
export function reject(reason: string): Reject {
  return { outcome: 'reject', reason }
}

/** What a handler knows beside the event. Created only as far as it is looked at. */
export interface Delivery {
  readonly group: string
  /** 1 for the first; survives crashes. */
  readonly attempt: number
  /** 0, or how often the event was replayed into the group. */
  readonly generation: number
  readonly position: { readonly topic: string; readonly partition: number; readonly position: string }
  /** Fires when the handler times out, the lease is lost, or the subscription stops and its time is up. */
  readonly signal: AbortSignal
}

export type Handler<Event extends EventMessage = EventMessage> = (
  event: Event,
  delivery: Delivery,
) => HandlerResult | Promise<HandlerResult>

/** A function around handlers: logging, tracing, a transaction. The first in the list is the outermost. */
export type Middleware = (
  event: StoredEvent,
  delivery: Delivery,
  next: () => Promise<HandlerResult>,
) => Promise<HandlerResult>
