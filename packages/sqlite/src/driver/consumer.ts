import {
  type ConsumeOptions,
  type Consumer,
  encodeProgress,
  type Runtime,
  seqOf,
  type StoredRecord,
} from '@millrace/core/driver'
import type { FetchReply } from '../read/fetch.ts'
import type { Mark } from '../write/mark.ts'
import type { Connection } from './connection.ts'
import { createLogReading, type Fetching } from './log-reading.ts'
import { createMarks } from './marks.ts'

let consumers = 0

/** Reads the partitions of one member; where it has got to is kept here, for the core keeps the durable progress. */
export function createConsumer(
  connection: Connection,
  runtime: Runtime,
  { topic, group, partitions }: ConsumeOptions,
): Consumer {
  const { writer, changes } = connection
  const name = `consumer-${++consumers}`
  const tokens = new Map(partitions.map(({ partition, token }) => [partition, token]))
  const after = new Map(partitions.map((owned) => [owned.partition, seqOf(owned.after)]))
  const store = (wanted: readonly Mark[]): Promise<readonly number[]> =>
    writer.call('mark', { group, topic, marks: wanted })
  const marks = createMarks(tokens, store, () => runtime.monotonic())
  const watching = writer.call('watch', { topic, by: 1 })
  watching.catch(() => undefined)
  const release = writer.hold()
  const ended = new AbortController()
  const log = createLogReading(connection.reader, topic, after)
  const brought: FetchReply[] = []
  /** Whether there was nothing beyond `after` when last looked at, so that it is enough to stand. */
  let atEnd = false

  /** Stands at the writer until it brings something or says where to look, something changes, or the caller has had enough. */
  async function stand({ max, paused, signal }: Fetching, version: number): Promise<'brought' | 'look' | undefined> {
    const changed = changes.next(topic, version, [signal, ended.signal])
    const places = [...after].filter(([partition]) => paused?.has(partition) !== true)
    if (places.length === 0) {
      await changed
      return undefined
    }
    let answer: 'brought' | 'look' | undefined
    const called = writer
      .call('stand', {
        consumer: name,
        group,
        topic,
        partitions: places.map(([partition, seq]) => ({ partition, token: tokens.get(partition) ?? 0, after: seq })),
        max,
      })
      .then((reply) => {
        answer = reply === undefined ? 'look' : 'brought'
        if (reply !== undefined) brought.push(reply)
      })
    called.catch(() => undefined)
    await Promise.race([called, changed])
    return answer
  }

  /** What standing has brought, also to a fetch that did not wait for it any more. */
  function takeBrought(fetching: Fetching): StoredRecord[] {
    for (let reply = brought.shift(); reply !== undefined; reply = brought.shift()) {
      marks.stored(reply.partitions.map(({ partition, rows }) => ({ partition, upTo: rows.at(-1)?.[0] ?? 0 })))
      const records = log.take(reply, fetching)
      if (records.length > 0) return records
    }
    return []
  }

  /** Waits until there is something, the caller has had enough, or it is over. */
  async function next(fetching: Fetching): Promise<StoredRecord[]> {
    const { signal, mark } = fetching
    const isOver = (): boolean => signal?.aborted === true || ended.signal.aborted || connection.closing
    await watching
    let told = false
    while (!isOver()) {
      const version = changes.version(topic)
      const near = takeBrought(fetching)
      if (near.length > 0) return near
      if (!atEnd) {
        const { isAhead } = log
        const records = await log.look(fetching, isOver)
        if (records.length > 0) return records
        if (isAhead || isOver()) continue
      }
      // Told to look, and nothing there: standing again at once would end in a circle.
      if (mark !== true || told) {
        told = false
        await changes.next(topic, version, [signal, ended.signal])
        continue
      }
      const answer = await stand(fetching, version)
      told = answer === 'look'
      atEnd = !told
    }
    return []
  }

  return {
    async fetch(fetching) {
      try {
        const records = await next(fetching)
        if (fetching.mark === true) marks.fetched(countsOf(records), after)
        return records
      } catch (error) {
        if (ended.signal.aborted || connection.closing) return []
        throw error
      }
    },
    marked: marks.of,
    async settle(progress) {
      const rows = progress.map(encodeProgress)
      return { fenced: await writer.call('settle', { group, topic, rows }) }
    },
    async close() {
      if (ended.signal.aborted) return
      ended.abort()
      release()
      writer.call('stand', { consumer: name, group, topic, partitions: [], max: 0 }).catch(() => undefined)
      if (!connection.closing) await writer.call('watch', { topic, by: -1 }).catch(() => undefined)
    },
  }
}

/** Of each partition; most records come next to others of theirs. */
function countsOf(records: readonly StoredRecord[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  let last = 0
  let count = 0
  for (const { partition } of records) {
    if (partition !== last) {
      if (count > 0) counts.set(last, (counts.get(last) ?? 0) + count)
      last = partition
      count = 0
    }
    count += 1
  }
  if (count > 0) counts.set(last, (counts.get(last) ?? 0) + count)
  return counts
}
