import type { ConsumeOptions, Consumer, StoredRecord } from '@millrace/core/driver'
import { seqOf } from '../position.ts'
import { encodeProgress } from '../progress-codec.ts'
import type { FetchReply } from '../read/fetch.ts'
import { recordOf } from '../read/records.ts'
import type { Connection } from './connection.ts'

/** Reads the partitions of one member; where it has got to is kept here, for the core keeps the durable progress. */
export function createConsumer(connection: Connection, { topic, group, partitions }: ConsumeOptions): Consumer {
  const { reader, writer, changes } = connection
  const after = new Map(partitions.map((owned) => [owned.partition, seqOf(owned.after)]))
  const watching = reader.call('watch', { topic, by: 1 })
  const release = reader.hold()
  const ended = new AbortController()
  let turn = 0

  /** The partitions to ask for, beginning with another one each time. */
  function wanted(paused: ReadonlySet<number> | undefined): { partition: number; after: number }[] {
    const open = [...after].filter(([partition]) => paused?.has(partition) !== true)
    const first = open.length === 0 ? 0 : turn++ % open.length
    return [...open.slice(first), ...open.slice(0, first)].map(([partition, seq]) => ({ partition, after: seq }))
  }

  function take({ partitions: found, types }: FetchReply): StoredRecord[] {
    const names = new Map(types)
    const records: StoredRecord[] = []
    for (const { partition, rows } of found) {
      for (const row of rows) records.push(recordOf(topic, partition, names.get(row[2]) ?? '', row))
      after.set(partition, rows.at(-1)?.[0] ?? 0)
    }
    return records
  }

  return {
    async fetch({ max, paused, signal }) {
      const over = (): boolean => signal?.aborted === true || ended.signal.aborted || connection.closing
      await watching
      while (!over()) {
        const version = changes.version(topic)
        const places = wanted(paused)
        if (places.length > 0) {
          const reply = await reader.call('fetch', { topic, partitions: places, max })
          if (over()) break
          if (reply.partitions.length > 0) return take(reply)
        }
        await changes.next(topic, version, (stop) => stopOn(stop, [signal, ended.signal]))
      }
      return []
    },
    async settle(progress) {
      const rows = progress.map(encodeProgress)
      return { fenced: await writer.call('settle', { group, topic, rows }) }
    },
    async close() {
      if (ended.signal.aborted) return
      ended.abort()
      after.clear()
      release()
      if (!connection.closing) await reader.call('watch', { topic, by: -1 }).catch(() => undefined)
    },
  }
}

/** Calls `stop` when one of the signals fires. */
export function stopOn(stop: () => void, signals: readonly (AbortSignal | undefined)[]): void {
  for (const signal of signals) signal?.addEventListener('abort', stop, { once: true })
}
