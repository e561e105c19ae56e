import type { ConsumeOptions, Consumer, StoredRecord } from '@millrace/core/driver'
import { positionOf, seqOf } from '../position.ts'
import { encodeProgress } from '../progress-codec.ts'
import type { FetchReply } from '../read/fetch.ts'
import { recordOf } from '../read/records.ts'
import type { Connection } from './connection.ts'

type Fetching = Parameters<Consumer['fetch']>[0]

let consumers = 0

/** Reads the partitions of one member; where it has got to is kept here, for the core keeps the durable progress. */
export function createConsumer(connection: Connection, { topic, group, partitions }: ConsumeOptions): Consumer {
  const { reader, writer, changes } = connection
  const name = `consumer-${++consumers}`
  const tokens = new Map(partitions.map(({ partition, token }) => [partition, token]))
  const marked = new Map<number, number>()
  const after = new Map(partitions.map((owned) => [owned.partition, seqOf(owned.after)]))
  const watching = reader.call('watch', { topic, by: 1 })
  watching.catch(() => undefined)
  const release = reader.hold()
  const ended = new AbortController()
  let turn = 0
  let ahead: Promise<FetchReply | undefined> | undefined
  /** Whether there was nothing beyond `after` when last looked at, so that it is enough to stand. */
  let atEnd = false

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
        if (row[0] <= (after.get(partition) ?? 0)) continue
        records.push(recordOf(topic, partition, names.get(row[2]) ?? '', row))
        after.set(partition, row[0])
      }
    }
    return records
  }

  /** Stands at the writer until it brings something or says where to look, something changes, or the caller has had enough. */
  async function stand({ max, paused, signal }: Fetching, version: number): Promise<FetchReply | 'look' | undefined> {
    const changed = changes.next(topic, version, [signal, ended.signal])
    const places = [...after].filter(([partition]) => paused?.has(partition) !== true)
    if (places.length === 0) {
      await changed
      return undefined
    }
    let brought: FetchReply | 'look' | undefined
    const called = writer
      .call('stand', {
        consumer: name,
        group,
        topic,
        partitions: places.map(([partition, seq]) => ({ partition, token: tokens.get(partition) ?? 0, after: seq })),
        max,
      })
      .then((reply) => (brought = reply ?? 'look'))
    called.catch(() => undefined)
    await Promise.race([called, changed])
    return brought
  }

  /** Waits until there is something, the caller has had enough, or it is over. */
  async function next(fetching: Fetching): Promise<StoredRecord[]> {
    const { max, paused, signal, mark } = fetching
    const over = (): boolean => signal?.aborted === true || ended.signal.aborted || connection.closing
    await watching
    let told = false
    while (!over()) {
      const version = changes.version(topic)
      if (!atEnd) {
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
        if (wasAhead) continue
      }
      // Told to look, and nothing there: standing again at once would end in a circle.
      if (mark !== true || told) {
        told = false
        await changes.next(topic, version, [signal, ended.signal])
        continue
      }
      const brought = await stand(fetching, version)
      told = brought === 'look'
      atEnd = !told
      if (brought === undefined || brought === 'look') continue
      const records = take(brought, max, paused)
      for (const { partition } of records) marked.set(partition, after.get(partition) ?? 0)
      if (records.length > 0) return records
    }
    return []
  }

  return {
    async fetch(fetching) {
      try {
        return await next(fetching)
      } catch (error) {
        if (ended.signal.aborted || connection.closing) return []
        throw error
      }
    },
    marked(partition) {
      const seq = marked.get(partition)
      return seq === undefined ? undefined : positionOf(seq)
    },
    async settle(progress) {
      const rows = progress.map(encodeProgress)
      return { fenced: await writer.call('settle', { group, topic, rows }) }
    },
    async close() {
      if (ended.signal.aborted) return
      ended.abort()
      release()
      writer.call('stand', { consumer: name, group, topic, partitions: [], max: 0 }).catch(() => undefined)
      if (!connection.closing) await reader.call('watch', { topic, by: -1 }).catch(() => undefined)
    },
  }
}
