import { abortedError, type ReadQuery, type Runtime, seqOf, type StoredRecord } from '@millrace/core/driver'
import type { Connection } from './connection.ts'

/** Browses a topic; with `waitMs` an empty answer is held back until something comes. */
export async function readRecords(
  connection: Connection,
  runtime: Runtime,
  query: ReadQuery,
): Promise<readonly StoredRecord[]> {
  const { reader, writer, changes } = connection
  const { topic, since, until, type, key, limit, backwards = false, partition, waitMs = 0, signal } = query
  if (signal?.aborted) throw abortedError(signal)
  const after = (query.after ?? []).map((place) => ({ partition: place.partition, seq: seqOf(place.position) }))
  const browse = (): Promise<readonly StoredRecord[]> =>
    reader.call('browse', { topic, after, since, until, type, key, limit, backwards, partition })
  if (waitMs <= 0) return browse()

  const deadline = runtime.monotonic() + waitMs
  const timeUp = new AbortController()
  const timer = runtime.setTimer(() => timeUp.abort(), waitMs)
  const release = writer.hold()
  try {
    await writer.call('watch', { topic, by: 1 })
    while (!connection.closing) {
      const version = changes.version(topic)
      const found = await browse()
      const over = signal?.aborted === true || connection.closing || runtime.monotonic() >= deadline
      if (found.length > 0 || over) return found
      await changes.next(topic, version, [timeUp.signal, signal])
    }
    return []
  } catch (error) {
    // Whoever closes has no use for what was not found yet.
    if (connection.closing) return []
    throw error
  } finally {
    timer.cancel()
    release()
    if (!connection.closing) await writer.call('watch', { topic, by: -1 }).catch(() => undefined)
  }
}
