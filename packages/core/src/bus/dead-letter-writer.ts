import type { DeadLetterStore } from '../driver/dead-letter-store.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { fingerprintOf } from './fingerprint.ts'
import type { Item } from './partition-run.ts'

/** Why an event is dead. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly stack: string | undefined
}

/** Writes the dead letter of an item under the token of its partition, with the original bytes. */
export function writeDeadLetter(
  item: Item,
  failure: Failure,
  {
    group,
    store,
    runtime,
    park,
  }: { readonly group: string; readonly store: DeadLetterStore; readonly runtime: Runtime; readonly park: boolean },
): Promise<'stored' | 'fenced'> {
  const { record, partition } = item
  const now = runtime.now()
  const letter = {
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
  return store.put([letter], partition.token, { park })
}
