/** Bounds of what may be published: the same on every engine, checked before anything is sent. */
export interface Limits {
  /** Bytes of the structured CloudEvents JSON. */
  readonly eventBytes: number
  readonly depth: number
  /** Object keys in one event's data, all levels together. */
  readonly keys: number
  readonly batchEvents: number
  readonly batchBytes: number
  /** Characters of an event type and of a topic. */
  readonly nameCharacters: number
  /** Bytes (UTF-8) of an id and of a key. */
  readonly idBytes: number
}

export const DEFAULT_LIMITS: Limits = {
  eventBytes: 256 * 1024,
  depth: 64,
  keys: 10_000,
  batchEvents: 1_000,
  batchBytes: 4 * 1024 * 1024,
  nameCharacters: 200,
  idBytes: 256,
}
