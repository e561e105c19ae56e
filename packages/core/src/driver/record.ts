import type { Position } from './position.ts'

/** An event as an engine stores it: the structured CloudEvents JSON, and what the engine indexes or routes by. */
export interface PublishRecord {
  readonly topic: string
  readonly partition: number
  readonly id: string
  readonly source: string
  readonly type: string
  /** Order key; absent events are spread over the partitions by the core. */
  readonly key: string | undefined
  /** Undefined when it equals the id: the event that begins a flow. */
  readonly correlationId: string | undefined
  /** Structured-mode CloudEvents JSON, byte for byte what readers get back. */
  readonly body: string
}

/** A stored event as it is read back. */
export interface StoredRecord {
  readonly topic: string
  readonly partition: number
  readonly position: Position
  readonly id: string
  readonly type: string
  readonly key: string | undefined
  /** Milliseconds since the epoch, by the engine's or the writer's clock; never decreasing within a partition. */
  readonly recordedAt: number
  readonly body: string
}

/**
 * What became of one record. `duplicate`: the same source and id was there before; `body` is the stored one, so that the
 * core can tell a resend from a conflict. `unknown`: it may or may not be stored; the core resends it with the same id.
 */
export type PublishOutcome =
  | { readonly outcome: 'stored'; readonly partition: number; readonly position: Position }
  | { readonly outcome: 'duplicate'; readonly partition: number; readonly position: Position; readonly body: string }
  | { readonly outcome: 'rejected' | 'unknown'; readonly error: Error }
