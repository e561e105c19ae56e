import { abortedError, type ReadQuery, type StoredRecord } from '@millrace/core/driver'
import { browse } from '../store/browse.ts'
import type { Connection } from './connection.ts'

/** Browses a topic; with `waitMs` an empty answer is held back until something comes. */
export async function readRecords(connection: Connection, query: ReadQuery): Promise<readonly StoredRecord[]> {
  const { database, changes, runtime, pulse } = connection
  const { topic, waitMs = 0, signal } = query
  if (signal?.aborted) throw abortedError(signal)
  if (waitMs <= 0) return browse(database, query)

  const deadline = runtime.monotonic() + waitMs
  const timeUp = new AbortController()
  const timer = runtime.setTimer(() => timeUp.abort(), waitMs)
  const unwatch = pulse.watch(topic)
  try {
    while (!connection.closing) {
      const version = changes.version(topic)
      const found = await browse(database, query)
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
    unwatch()
  }
}
