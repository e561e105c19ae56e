import type { PublishRecord, StoredRecord } from '../driver/record.ts'
import { positionOf } from './position.ts'

/** A stored event with what only the engine looks at. */
export interface HeldEvent {
  readonly record: StoredRecord
  readonly source: string
  readonly correlationId: string | undefined
}

/** The events of one partition. Sequence numbers are dense: those held run from `dropped` + 1 to `head`. */
export interface PartitionLog {
  readonly partition: number
  /** The newest sequence number given, 0 for none. */
  readonly head: number
  /** The newest sequence number that retention has dropped, 0 for none. */
  readonly dropped: number
  /** When the newest event was recorded, in milliseconds since the epoch. */
  readonly recordedAt: number
  /** The event of a sequence number, if it is held. */
  at(sequence: number): HeldEvent | undefined
  append(record: PublishRecord, now: number): HeldEvent
  dropFirst(): HeldEvent | undefined
  /** The first sequence number recorded at `time` or later; `head` + 1 when there is none. */
  firstSince(time: number): number
}

/** An empty partition. */
export function createPartitionLog(partition: number): PartitionLog {
  let events: (HeldEvent | undefined)[] = []
  let offset = 0
  let head = 0
  let dropped = 0
  let recordedAt = 0

  const at = (sequence: number): HeldEvent | undefined => events[sequence - 1 - offset]

  /** Dropping one by one from the front of an array is slow: the gap is closed when it is half of the array. */
  function closeGap(): void {
    const gap = dropped - offset
    if (gap < 1_000 || gap < events.length / 2) return
    events = events.slice(gap)
    offset = dropped
  }

  return {
    partition,
    get head() {
      return head
    },
    get dropped() {
      return dropped
    },
    get recordedAt() {
      return recordedAt
    },
    at,
    append({ topic, id, source, type, key, correlationId, body }, now) {
      head += 1
      recordedAt = Math.max(recordedAt, now)
      const record = { topic, partition, position: positionOf(head), id, type, key, recordedAt, body }
      const event = { record, source, correlationId }
      events.push(event)
      return event
    },
    dropFirst() {
      const event = at(dropped + 1)
      if (event === undefined) return undefined
      events[dropped - offset] = undefined
      dropped += 1
      closeGap()
      return event
    },
    firstSince(time) {
      let low = dropped + 1
      let high = head + 1
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((at(middle)?.record.recordedAt ?? 0) < time) low = middle + 1
        else high = middle
      }
      return low
    },
  }
}
