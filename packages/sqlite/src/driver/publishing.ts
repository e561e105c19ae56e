import {
  abortedError,
  isMillraceError,
  MillraceError,
  positionOf,
  type PublishOutcome,
  type PublishRecord,
} from '@millrace/core/driver'
import { decodeError } from '../loop/error-codec.ts'
import { isOutcomeUnknown } from '../loop/link.ts'
import { encodeRecords, type PublishReply } from '../loop/publish-batch.ts'
import type { Connection } from './connection.ts'

/** Stores records; a failure is an outcome, never thrown. */
export async function publishRecords(
  { writer, changes }: Connection,
  records: readonly PublishRecord[],
  signal: AbortSignal | undefined,
): Promise<readonly PublishOutcome[]> {
  if (records.length === 0) return []
  if (signal?.aborted) return allFailed(records, 'rejected', abortedError(signal))
  const batch = encodeRecords(records)
  const stored = writer.call('publish', batch).then(
    (reply) => {
      changes.announce(batch.topics)
      return outcomesOf(records, reply)
    },
    (error: unknown) => {
      // It may be in the file all the same.
      changes.announce(batch.topics)
      return allFailed(records, isOutcomeUnknown(error) ? 'unknown' : 'rejected', asError(error))
    },
  )
  if (signal === undefined) return stored
  return orAborted(stored, records, signal)
}

function outcomesOf(records: readonly PublishRecord[], { seqs, duplicates, failures }: PublishReply): PublishOutcome[] {
  const outcomes = records.map(({ partition }, index): PublishOutcome => ({
    outcome: 'stored',
    partition,
    position: positionOf(seqs[index] ?? 0),
  }))
  for (const [index, partition, seq, body] of duplicates) {
    outcomes[index] = { outcome: 'duplicate', partition, position: positionOf(seq), body }
  }
  for (const [index, error] of failures) outcomes[index] = { outcome: 'rejected', error: decodeError(error) }
  return outcomes
}

/** After the engine was asked, a signal can only mean that we do not wait for the answer. */
function orAborted(
  stored: Promise<readonly PublishOutcome[]>,
  records: readonly PublishRecord[],
  signal: AbortSignal,
): Promise<readonly PublishOutcome[]> {
  return new Promise((resolve) => {
    const onAbort = (): void => resolve(allFailed(records, 'unknown', abortedError(signal)))
    signal.addEventListener('abort', onAbort, { once: true })
    void stored.then((outcomes) => {
      signal.removeEventListener('abort', onAbort)
      resolve(outcomes)
    })
  })
}

function allFailed(
  records: readonly PublishRecord[],
  outcome: 'rejected' | 'unknown',
  error: MillraceError,
): readonly PublishOutcome[] {
  return records.map(() => ({ outcome, error }))
}

function asError(error: unknown): MillraceError {
  if (isMillraceError(error)) return error
  return new MillraceError('internal', 'The SQLite driver failed unexpectedly.', { cause: error })
}
