import type { NewDeadLetter } from '../driver/dead-letter-store.ts'
import { fingerprintOf } from './fingerprint.ts'
import type { Item } from './partition-run.ts'

/** Why an event is dead. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly stack: string | undefined
}

/** The dead letter of an item that fails at `now` (milliseconds since the epoch), with the original bytes. */
export function deadLetterOf(
  item: Item,
  failure: Failure,
  { group, now }: { readonly group: string; readonly now: number },
): NewDeadLetter {
  const { record } = item
  return {
    group,
    topic: record.topic,
    partition: record.partition,
    position: record.position,
    record,
    laneKey: item.orderKey,
    ...failure,
    attempts: item.attempts,
    firstFailedAt: item.firstFailedAt ?? now,
    lastFailedAt: now,
    fingerprint: fingerprintOf(failure),
    generation: item.generation,
  }
}
