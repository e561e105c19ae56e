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
  watching.catch(() => undefined)
  const release = reader.hold()
  const ended = new AbortController()
  let turn = 0
  let ahead: Promise<FetchReply | undefined> | undefined

  /** Asks for what comes next in the open partitions, beginning with another one each time. */
  function ask(max: number, paused: ReadonlySet<number> | undefined): Promise<FetchReply> | undefined {
    const open = [...after].filter(([partition]) => paused?.has(partition) !== true)
    if (open.length === 0) return undefined
    const first = turn++ % open.length
    const places = [...open.slice(first), ...open.slice(0, first)]
    return reader.call('fetch', {
      topic,
      partitions: places.map(([partition, seq]) => ({ partition, after: seq })),
      max,
    })
  }

  /** Takes what is wanted of a reply; the rest is read again later, for only what is taken moves us on. */
  function take({ partitions: found, types }: FetchReply, max: number, paused?: ReadonlySet<number>): StoredRecord[] {
    const names = new Map(types)
    const records: StoredRecord[] = []
    for (const { partition, rows } of found) {
      if (paused?.has(partition) === true) continue
      for (const row of rows) {
        if (records.length >= max) break
        records.push(recordOf(topic, partition, names.get(row[2]) ?? '', row))
        after.set(partition, row[0])
      }
    }
    return records
  }

  /** Waits until there is something, the caller has had enough, or it is over. */
  async function next(max: number, paused?: ReadonlySet<number>, signal?: AbortSignal): Promise<StoredRecord[]> {
    const over = (): boolean => signal?.aborted === true || ended.signal.aborted || connection.closing
    await watching
    while (!over()) {
      const version = changes.version(topic)
      const wasAhead = ahead !== undefined
      const reply = (await ahead) ?? (await ask(max, paused))
      if (over()) break
      ahead = undefined
      const records = reply === undefined ? [] : take(reply, max, paused)
      if (records.length > 0) {
        // While the caller works on a full batch, the reader prepares the next one.
        if (records.length * 2 > max) ahead = ask(max, paused)?.catch(() => undefined)
        return records
      }
      if (!wasAhead) await changes.next(topic, version, [signal, ended.signal])
    }
    return []
  }

  return {
    async fetch({ max, paused, signal }) {
      try {
        return await next(max, paused, signal)
      } catch (error) {
        if (ended.signal.aborted || connection.closing) return []
        throw error
      }
    },
    async settle(progress) {
      const rows = progress.map(encodeProgress)
      return { fenced: await writer.call('settle', { group, topic, rows }) }
    },
    async close() {
      if (ended.signal.aborted) return
      ended.abort()
      release()
      if (!connection.closing) await reader.call('watch', { topic, by: -1 }).catch(() => undefined)
    },
  }
}
