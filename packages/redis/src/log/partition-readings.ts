import type { ConsumeOptions, Position, StoredRecord } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { type Entry, recordsOf } from '../entry.ts'
import { placeName } from '../keys.ts'
import { idOf, positionOfId } from '../position.ts'
import { FETCH } from '../scripts/groups.ts'
import { entriesFor } from './entry-count.ts'

/** Events of a member's partitions: read ahead from the server, handed out fairly. */
export interface PartitionReadings {
  /** There may be more in a partition, or in all. */
  mark(partition: number | undefined): void
  /** Up to `max` events that are read: an equal share of each partition first, then the rest in turn. */
  take(max: number, paused: ReadonlySet<number> | undefined): StoredRecord[]
  /**
   * Reads what may be there of the partitions that have nothing to hand out; the reading that is under way when there is one,
   * undefined when nothing is to be read. With `marks` it may store how far, too.
   */
  read(max: number, paused: ReadonlySet<number> | undefined, marks: boolean): Promise<void> | undefined
  /** Up to where readings have stored the mark of a partition. */
  marked(partition: number): Position | undefined
}

interface Reading {
  readonly partition: number
  readonly token: number
  /** The stream id after which to read on. */
  after: string
  /** The position after which the first reading begins. */
  from: Position | undefined
  buffer: readonly StoredRecord[]
  taken: number
  /** Whether there may be more than what is read. */
  dirty: boolean
  /** Whether the last reading came to the end of the partition. */
  atEnd: boolean
  /** Events that an entry had in the last reading, about. */
  eventsAnEntry: number | undefined
  marked: Position | undefined
}

/** What the script that marks gives of a partition. */
type MarkedReply = readonly [isMarked: 0 | 1, entries: readonly Entry[]]

/** How many events of a partition one read takes at most, and at least. */
const LARGEST_READ = 400
const SMALLEST_READ = 16

export function createPartitionReadings(
  redis: Connection,
  { topic, group, partitions }: ConsumeOptions,
): PartitionReadings {
  const readings = new Map<number, Reading>(
    partitions.map(({ partition, token, after }) => [
      partition,
      {
        partition,
        token,
        after: after === undefined ? '0-0' : idOf(after),
        from: after,
        buffer: [],
        taken: 0,
        dirty: true,
        atEnd: false,
        eventsAnEntry: undefined,
        marked: undefined,
      },
    ]),
  )
  let underWay: Promise<void> | undefined
  let turn = 0

  /** Each with a command of its own, wherever its log may be. */
  async function readEach(wanting: readonly Reading[], count: number): Promise<void> {
    const ends = await Promise.allSettled(
      wanting.map(async (reading) => {
        const { log } = redis.keys.partition(topic, reading.partition)
        const range = rangeOf(reading, count)
        const entries = await redis.call(['XRANGE', log, range.from, '+', 'COUNT', range.count], log)
        store(reading, Number(range.count), entries as readonly Entry[])
      }),
    )
    const failed = ends.find((end) => end.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  /** All in one step, which also stores how far each is read: its events may go to their handlers as soon as they are here. */
  async function readMarking(wanting: readonly Reading[], count: number): Promise<void> {
    const { leases, marks } = redis.keys.group(group)
    const logs = wanting.map(({ partition }) => redis.keys.partition(topic, partition).log)
    const ranges = wanting.map((reading) => rangeOf(reading, count))
    const args = wanting.flatMap(({ partition, token }, at) => [
      placeName(topic, partition),
      String(token),
      ranges[at]?.from ?? '-',
      ranges[at]?.count ?? '0',
    ])
    const replies = (await redis.run(FETCH, [leases, marks, ...logs], args)) as readonly MarkedReply[]
    for (const [at, reading] of wanting.entries()) {
      const [isMarked, entries] = replies[at] ?? [0, []]
      store(reading, Number(ranges[at]?.count), entries)
      if (isMarked === 1) reading.marked = positionOfId(reading.after)
    }
  }

  /**
   * Whether readings that mark pay: a script costs the server five times as much for each byte that it hands on, which the few new events of a
   * reader that keeps up are worth, and a backlog is not. In a cluster the logs are on servers other than the marks.
   */
  function isCheap(wanting: readonly Reading[]): boolean {
    return !redis.clustered && wanting.every(({ atEnd }) => atEnd)
  }

  function store(reading: Reading, atMost: number, entries: readonly Entry[]): void {
    reading.atEnd = entries.length < atMost
    if (!reading.atEnd) reading.dirty = true
    const last = entries.at(-1)
    if (last === undefined) return
    const { from } = reading
    const records = entries.flatMap((entry) => recordsOf(topic, reading.partition, entry))
    reading.eventsAnEntry = records.length / entries.length
    reading.buffer = records
    // The first entry may begin before the place that the group has reached.
    reading.taken = from === undefined ? 0 : records.findIndex(({ position }) => position > from)
    reading.from = undefined
    reading.after = last[0]
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
      return takeInTurn([...open.slice(first), ...open.slice(0, first)], max)
    },
    read(max, paused, marks) {
      if (underWay !== undefined) return underWay
      const wanting = [...readings.values()].filter(
        ({ partition, dirty, buffer, taken }) => dirty && buffer.length === taken && paused?.has(partition) !== true,
      )
      if (wanting.length === 0) return undefined
      const count = Math.min(LARGEST_READ, Math.max(SMALLEST_READ, Math.ceil(max / wanting.length)))
      for (const reading of wanting) reading.dirty = false
      // One at a time, also when its caller has gone: two of the same partition would hand events out twice.
      const reading = (marks && isCheap(wanting) ? readMarking(wanting, count) : readEach(wanting, count)).then(
        () => void (underWay = undefined),
        (error: unknown) => {
          underWay = undefined
          for (const each of wanting) each.dirty = true
          throw error
        },
      )
      underWay = reading
      return reading
    },
    marked: (partition) => readings.get(partition)?.marked,
  }
}

/** Up to `max` of what is read: an equal share of each first, then the rest in turn. */
function takeInTurn(readings: readonly Reading[], max: number): StoredRecord[] {
  const records: StoredRecord[] = []
  for (let share = Math.max(1, Math.floor(max / Math.max(1, readings.length))); records.length < max; share = max) {
    const before = records.length
    for (const reading of readings) {
      const from = reading.taken
      reading.taken = Math.min(from + share, from + max - records.length, reading.buffer.length)
      for (let at = from; at < reading.taken; at += 1) records.push(reading.buffer[at] as StoredRecord)
    }
    if (records.length === before) break
  }
  return records
}

function rangeOf({ after, eventsAnEntry }: Reading, count: number): { readonly from: string; readonly count: string } {
  return { from: `(${after}`, count: String(entriesFor(count, eventsAnEntry)) }
}
