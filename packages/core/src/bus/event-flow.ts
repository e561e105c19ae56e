import type { EventMessage } from '../contract/event.ts'
import { MillraceError } from '../runtime/error.ts'
import type { HandledWork } from './handling-context.ts'

/** Handlers that publish what they handle go round in a circle; at this many rounds it is broken. */
const MOST_HOPS = 64

/**
 * A message as one of the flow of the event being handled, also when it was made by hand: correlation, cause and trace go
 * on, and `extensions.hops` counts how far. Throws `limit_exceeded` when events have caused one another too often.
 */
export function inFlowOf(event: EventMessage, handled: HandledWork | undefined): EventMessage {
  if (handled === undefined) return event
  const hops = Number(handled.metadata.extensions?.['hops'] ?? 0) + 1
  if (hops > MOST_HOPS) {
    throw new MillraceError(
      'limit_exceeded',
      `The event "${event.type}" is the ${hops}th in a chain of events that cause one another. Break the circle of handlers.`,
      { path: 'metadata.extensions.hops' },
    )
  }
  const begins = event.metadata.correlationId === event.id && event.metadata.causationId === undefined
  const { correlationId, traceparent, tracestate } = handled.metadata
  return {
    ...event,
    metadata: {
      ...event.metadata,
      ...(begins ? { correlationId, causationId: handled.id } : {}),
      ...(traceparent !== undefined && event.metadata.traceparent === undefined ? { traceparent } : {}),
      ...(tracestate !== undefined && event.metadata.tracestate === undefined ? { tracestate } : {}),
      extensions: { ...event.metadata.extensions, hops },
    },
  }
}
