import type { ConsumeOptions, Consumer, StoredRecord } from '@millrace/core/driver'
import { closedError, type Connection } from '../client/connection.ts'
import type { TopicChanges } from '../driver/topic-changes.ts'
import { type Entry, recordOf } from '../entry.ts'
import { encodeProgress } from '../groups/progress.ts'
import { placeName } from '../keys.ts'
import { idOf } from '../position.ts'
import { SETTLE } from '../scripts/groups.ts'
import { until } from './until.ts'

/** Events of one partition that are read and not handed out yet. */
interface Reading {
  readonly partition: number
  /** The stream id after which to read on. */
  after: string
  buffer: StoredRecord[]
  taken: number
  /** Whether there may be more than what is read. */
  dirty: boolean
}

/** How many events of a partition one read takes at most. */
const LARGEST_READ = 400
const SMALLEST_READ = 16

/** Reads the partitions of one member, each by its position; the core keeps the durable progress. */
export function createConsumer(
  redis: Connection,
  { changes, ended }: { readonly changes: TopicChanges; readonly ended: AbortSignal },
  { topic, group, partitions }: ConsumeOptions,
): Consumer {
  const readings = new Map<number, Reading>(
    partitions.map(({ partition, after }) => [
      partition,
      { partition, after: after === undefined ? '0-0' : idOf(after), buffer: [], taken: 0, dirty: true },
    ]),
  )
  const closing = new AbortController()
  let wake: (() => void) | undefined
  let underWay: Promise<void> | undefined
  let turn = 0
  const unlisten =
    readings.size === 0
      ? () => {}
      : changes.listen(topic, (partition) => {
          if (partition === undefined) for (const reading of readings.values()) reading.dirty = true
          else {
            const reading = readings.get(partition)
            if (reading === undefined) return
            reading.dirty = true
          }
          wake?.()
        })

  /** Fills the buffers of the partitions that may have more. */
  function read(max: number, paused: ReadonlySet<number> | undefined): Promise<void> | undefined {
    const wanting = [...readings.values()].filter(
      ({ partition, dirty, buffer, taken }) => dirty && buffer.length === taken && paused?.has(partition) !== true,
    )
    if (wanting.length === 0) return undefined
    const count = Math.min(LARGEST_READ, Math.max(SMALLEST_READ, Math.ceil(max / wanting.length)))
    return Promise.all(wanting.map((reading) => readOne(reading, count))).then(() => undefined)
  }

  async function readOne(reading: Reading, count: number): Promise<void> {
    const { log } = redis.keys.partition(topic, reading.partition)
    reading.dirty = false
    try {
      const entries = (await redis.call(
        ['XRANGE', log, `(${reading.after}`, '+', 'COUNT', String(count)],
        log,
      )) as readonly Entry[]
      if (entries.length === count) reading.dirty = true
      const last = entries.at(-1)
      if (last === undefined) return
      reading.buffer = entries.map((entry) => recordOf(topic, reading.partition, entry))
      reading.taken = 0
      reading.after = last[0]
    } catch (error) {
      reading.dirty = true
      throw error
    }
  }

  /** An equal share of each partition first, then the rest in turn. */
  function take(max: number, paused: ReadonlySet<number> | undefined): StoredRecord[] {
    const open = [...readings.values()].filter(
      ({ partition, buffer, taken }) => taken < buffer.length && paused?.has(partition) !== true,
    )
    const first = open.length === 0 ? 0 : turn++ % open.length
    const inTurn = [...open.slice(first), ...open.slice(0, first)]
    const records: StoredRecord[] = []
    for (let share = Math.max(1, Math.floor(max / Math.max(1, open.length))); records.length < max; share = max) {
      const before = records.length
      for (const reading of inTurn) {
        const count = Math.min(share, max - records.length, reading.buffer.length - reading.taken)
        for (let left = count; left > 0; left -= 1) {
          const record = reading.buffer[reading.taken]
          if (record !== undefined) records.push(record)
          reading.taken += 1
        }
      }
      if (records.length === before) break
    }
    return records
  }

  async function next(
    max: number,
    paused: ReadonlySet<number> | undefined,
    stop: AbortSignal,
  ): Promise<StoredRecord[]> {
    while (!stop.aborted) {
      const records = take(max, paused)
      if (records.length > 0) {
        // While the caller works on these, the next ones are on their way.
        readAhead(max, paused)
        return records
      }
      const reading = underWay ?? read(max, paused)
      if (reading !== undefined) await until(reading, stop)
      else {
        await until(new Promise<void>((resolve) => (wake = resolve)), stop)
        wake = undefined
      }
    }
    return []
  }

  function readAhead(max: number, paused: ReadonlySet<number> | undefined): void {
    if (underWay !== undefined) return
    const ahead = read(max, paused)
    if (ahead === undefined) return
    // What failed is read again, and fails again, when it is waited for.
    underWay = ahead.catch(() => undefined).finally(() => (underWay = undefined))
  }

  return {
    async fetch({ max, paused, signal }) {
      if (redis.closing || closing.signal.aborted) return []
      const stop = AbortSignal.any([ended, closing.signal, ...(signal === undefined ? [] : [signal])])
      try {
        return await next(max, paused, stop)
      } catch (error) {
        if (stop.aborted || redis.closing) return []
        throw error
      }
    },
    async settle(progress) {
      if (redis.closing) throw closedError(redis.where)
      if (progress.length === 0) return { fenced: [] }
      const { leases, progress: stored } = redis.keys.group(group)
      const args = progress.flatMap((each) => [
        placeName(topic, each.partition),
        String(each.token),
        encodeProgress(each),
      ])
      const refused = (await redis.run(SETTLE, [leases, stored], args)) as readonly number[]
      return { fenced: refused.flatMap((index) => progress[index]?.partition ?? []) }
    },
    async close() {
      if (closing.signal.aborted) return
      closing.abort()
      unlisten()
    },
  }
}
