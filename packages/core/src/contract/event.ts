/** What travels beside the data. Names with a CloudEvents attribute are given in `docs/envelope.md`. */
export interface EventMetadata {
  /** The whole flow: given, inherited from the event being handled, or the event's own id. */
  readonly correlationId: string
  /** The id of the event whose handling published this one. */
  readonly causationId?: string
  readonly userId?: string
  /** Given, inherited, or `instance:<uuid>` of the publishing process. */
  readonly sessionId: string
  readonly tenantId?: string
  /** W3C trace context. */
  readonly traceparent?: string
  readonly tracestate?: string
  /** RFC 3339; after it the event is counted and not delivered. */
  readonly expiresAt?: string
  /** CloudEvents attributes that are none of ours, kept as they came. */
  readonly extensions?: Readonly<Record<string, string | number | boolean>>
}

/** An event in memory. On every wire and in every engine it is a CloudEvent 1.0. */
export interface EventMessage<Data = unknown, Type extends string = string> {
  /** Unique with `source`; a UUIDv7 when ours. */
  readonly id: string
  readonly type: Type
  /** The version of the data: a whole number as text. */
  readonly version: string
  /** When it happened: RFC 3339, UTC, milliseconds. */
  readonly timestamp: string
  /** A URI-reference: who says so. */
  readonly source: string
  /** The entity that it is about. */
  readonly subject?: string
  /** Order is kept per key. */
  readonly key?: string
  readonly data: Data
  readonly metadata: EventMetadata
}

/** Where an engine holds an event. */
export interface EventPosition {
  readonly topic: string
  readonly partition: number
  /** Ordered as a string within its partition. */
  readonly position: string
  /** RFC 3339: when the engine stored it. */
  readonly recordedAt: string
}

/** An event as it is read back from an engine. */
export type StoredEvent<Data = unknown, Type extends string = string> = EventMessage<Data, Type> & EventPosition
