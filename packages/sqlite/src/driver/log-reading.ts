import type { Consumer, StoredRecord } from '@millrace/core/driver'
import type { Link, ReaderCalls } from '../loop/link.ts'
import type { FetchReply } from '../read/fetch.ts'
import { recordOf } from '../read/records.ts'

/** What a fetch wants. */
export type Fetching = Parameters<Consumer['fetch']>[0]

/** Reads on in some partitions of a topic. */
export interface LogReading {
  /** Whether what comes next is being read already. */
  readonly isAhead: boolean
  /** What the reader finds next; nothing when `isOver` by then. */
  look(fetching: Fetching, isOver: () => boolean): Promise<StoredRecord[]>
  /** Takes what is wanted of a reply; the rest is read again later, for only what is taken moves us on. */
  take(reply: FetchReply, fetching: Fetching): StoredRecord[]
}

/** Moves `after` on, by partition, with what is taken. */
export function createLogReading(reader: Link<ReaderCalls>, topic: string, after: Map<number, number>): LogReading {
  let turn = 0
  let ahead: Promise<FetchReply | undefined> | undefined

  /** Asks for what comes next in the open partitions, beginning with another one each time. */
  function ask({ max, paused }: Fetching): Promise<FetchReply> | undefined {
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

  function take({ partitions: found, types }: FetchReply, { max, paused }: Fetching): StoredRecord[] {
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

  return {
    get isAhead() {
      return ahead !== undefined
    },
    async look(fetching, isOver) {
      const reply = (await ahead) ?? (await ask(fetching))
      if (isOver()) return []
      ahead = undefined
      const records = reply === undefined ? [] : take(reply, fetching)
      // While the caller works on a full batch, the reader prepares the next one.
      if (records.length * 2 > fetching.max) ahead = ask(fetching)?.catch(() => undefined)
      return records
    },
    take,
  }
}
