import type { EventPlace } from './lane-store.ts'
import type { StoredRecord } from './record.ts'

/** Events that a group could not handle, with their bytes, their error and a way back. */
export interface DeadLetterStore {
  /**
   * Writes dead letters under the token of their partition, all or nothing; one of the same place is replaced. In the
   * same step the entry of the same place and generation leaves the side lane, so that a requeue that comes right after
   * adds a new one, which nobody takes for the old; and with `park` their keys are parked there.
   */
  put(
    letters: readonly NewDeadLetter[],
    token: number,
    options?: { readonly park?: boolean },
  ): Promise<'stored' | 'fenced'>

  /** Newest first; pages by `after` (the id of the last one seen). */
  list(query: DeadLetterQuery): Promise<readonly DeadLetter[]>

  get(id: string): Promise<DeadLetter | undefined>

  /** Which of these positions of one partition are dead-lettered already: a takeover looks here before it dispatches. */
  among(place: Omit<EventPlace, 'position'>, positions: readonly string[]): Promise<readonly string[]>

  /** How many there are, by group and by fingerprint. */
  counts(query?: { readonly group?: string }): Promise<readonly DeadLetterCount[]>

  /**
   * Moves dead letters into the side lane of their group, due at once, with attempts reset, and unparks their keys when
   * no other dead letter holds them. Atomic per letter and idempotent: a letter that is gone is skipped. Returns the ids
   * that were moved. `replace` carries an edited event, which is stored instead.
   */
  requeue(ids: readonly string[], options?: { readonly replace?: StoredRecord }): Promise<readonly string[]>

  /** Removes dead letters, and unparks their keys as `requeue` does. Returns the ids that were there. */
  discard(ids: readonly string[]): Promise<readonly string[]>
}

export interface NewDeadLetter extends EventPlace {
  readonly record: StoredRecord
  readonly laneKey: string | undefined
  readonly code: string
  readonly message: string
  readonly stack: string | undefined
  readonly attempts: number
  readonly firstFailedAt: number
  readonly lastFailedAt: number
  /** Equal failures have equal fingerprints. */
  readonly fingerprint: string
  readonly generation: number
}

export interface DeadLetter extends NewDeadLetter {
  /** Opaque, stable for one place and generation. */
  readonly id: string
}

export interface DeadLetterQuery {
  readonly group?: string
  readonly fingerprint?: string
  readonly topic?: string
  readonly type?: string
  readonly eventId?: string
  /** Bounds of the last failure, in milliseconds since the epoch: inclusive, exclusive. */
  readonly since?: number
  readonly until?: number
  readonly after?: string
  readonly limit: number
}

export interface DeadLetterCount {
  readonly group: string
  readonly fingerprint: string
  readonly code: string
  readonly message: string
  readonly count: number
  readonly lastFailedAt: number
}
