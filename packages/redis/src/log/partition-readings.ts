import type { ConsumeOptions, StoredRecord } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { type Entry, recordOf } from '../entry.ts'
import { idOf } from '../position.ts'

/** Events of a member's partitions: read ahead from the server, handed out fairly. */
export interface PartitionReadings {
  /** There may be more in a partition, or in all. */
  mark(partition: number | undefined): void
  /** Up to `max` events that are read: an equal share of each partition first, then the rest in turn. */
  take(max: number, paused: ReadonlySet<number> | undefined): StoredRecord[]
  /**
   * Reads what may be there of the partitions that have nothing to hand out; the reading that is under way when there is one,
   * undefined when nothing is to be read.
   */
  read(max: number, paused: ReadonlySet<number> | undefined): Promise<void> | undefined
}

interface Reading {
  readonly partition: number
  /** The stream id after which to read on. */
  after: string
  buffer: readonly StoredRecord[]
  taken: number
  /** Whether there may be more than what is read. */
  dirty: boolean
}

/** How many events of a partition one read takes at most, and at least. */
const LARGEST_READ = 400
const SMALLEST_READ = 16

export function createPartitionReadings(
  redis: Connection,
  topic: string,
  partitions: ConsumeOptions['partitions'],
): PartitionReadings {
  const readings = new Map<number, Reading>(
    partitions.map(({ partition, after }) => [
      partition,
      { partition, after: after === undefined ? '0-0' : idOf(after), buffer: [], taken: 0, dirty: true },
    ]),
  )
  let underWay: Promise<void> | undefined
  let turn = 0

  async function readOne(reading: Reading, count: number): Promise<void> {
    const { log } = redis.keys.partition(topic, reading.partition)
    const range = ['XRANGE', log, `(${reading.after}`, '+', 'COUNT', String(count)]
    reading.dirty = false
    try {
      const entries = (await redis.call(range, log)) as readonly Entry[]
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

  return {
    mark(partition) {
      if (partition === undefined) for (const reading of readings.values()) reading.dirty = true
      else {
        const reading = readings.get(partition)
        if (reading !== undefined) reading.dirty = true
      }
    },
    take(max, paused) {
      const open = [...readings.values()].filter(
        ({ partition, buffer, taken }) => taken < buffer.length && paused?.has(partition) !== true,
      )
      const first = open.length === 0 ? 0 : turn++ % open.length
      const inTurn = [...open.slice(first), ...open.slice(0, first)]
      const records: StoredRecord[] = []
      for (let share = Math.max(1, Math.floor(max / Math.max(1, open.length))); records.length < max; share = max) {
        const before = records.length
        for (const reading of inTurn) {
          const from = reading.taken
          reading.taken = Math.min(from + share, from + max - records.length, reading.buffer.length)
          for (let at = from; at < reading.taken; at += 1) records.push(reading.buffer[at] as StoredRecord)
        }
        if (records.length === before) break
      }
      return records
    },
    read(max, paused) {
      if (underWay !== undefined) return underWay
      const wanting = [...readings.values()].filter(
        ({ partition, dirty, buffer, taken }) => dirty && buffer.length === taken && paused?.has(partition) !== true,
      )
      if (wanting.length === 0) return undefined
      const count = Math.min(LARGEST_READ, Math.max(SMALLEST_READ, Math.ceil(max / wanting.length)))
      // One at a time, also when its caller has gone: two of the same partition would hand events out twice.
      const reading = Promise.allSettled(wanting.map((each) => readOne(each, count))).then((ends) => {
        underWay = undefined
        const failed = ends.find((end) => end.status === 'rejected')
        if (failed !== undefined) throw failed.reason
      })
      underWay = reading
      return reading
    },
  }
}
