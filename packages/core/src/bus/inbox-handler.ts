import type { EventMessage } from '../contract/event.ts'
import type { HandlerTransaction, SqlStatement } from '../driver/inbox-store.ts'
import type { Delivery, HandlerResult } from './handler.ts'

/** A delivery whose effects are applied once. */
export interface InboxDelivery extends Delivery {
  /** What the handler writes through. */
  readonly tx: HandlerTransaction
}

/** Statements are applied with those of `tx.exec`; a retry or a refusal applies nothing. */
export type InboxHandlerResult = HandlerResult | SqlStatement | readonly SqlStatement[]

export type InboxHandler<Event extends EventMessage = EventMessage> = (
  event: Event,
  delivery: InboxDelivery,
) => InboxHandlerResult | Promise<InboxHandlerResult>

/** How long an inbox remembers. */
export interface InboxOptions {
  /** Milliseconds for which an applied event is known: longer than anybody could deliver it again. Default 7 days. */
  readonly keepMs?: number
}
