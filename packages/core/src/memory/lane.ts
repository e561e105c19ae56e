import type { LaneChanges, LaneCounts, LaneEntry, LaneKey, LaneNext, NewLaneEntry } from '../driver/lane-store.ts'
import { positionOf } from './position.ts'
import { weightOf } from './weight.ts'

/** The side lane of one group. `at` is monotonic time in milliseconds. */
export interface Lane {
  readonly size: number
  /** Bytes that the entries take, roughly. */
  readonly weight: number
  has(entry: NewLaneEntry): boolean
  /** Adds an entry unless it waits already; returns the bytes that it takes. */
  add(entry: NewLaneEntry, number: number, at: number): number
  due(topic: string, partition: number, limit: number, at: number): LaneEntry[]
  /** Removes the entry of a place and generation, if it waits; returns the bytes that became free. */
  take(entry: Pick<NewLaneEntry, 'record' | 'generation'>): number
  /** Returns the bytes that became free. */
  settle(changes: LaneChanges, at: number): number
  keys(topic: string, partition: number, only?: readonly string[]): Map<string, LaneKey>
  park(topic: string, partition: number, key: string): void
  unpark(topic: string, partition: number, key: string): void
  next(at: number): LaneNext
  counts(at: number): LaneCounts
  removeTopic(topic: string): number
}

interface Waiting {
  entry: LaneEntry
  dueAt: number
  readonly queue: Queue
}

/** The entries of one key in the order in which they are handed out. An event without a key has one for itself. */
interface Queue {
  readonly key: string | undefined
  parked: boolean
  readonly waiting: Waiting[]
}

interface LanePartition {
  readonly topic: string
  readonly partition: number
  readonly queues: Map<string, Queue>
}

/** An empty lane. */
export function createLane(): Lane {
  const partitions = new Map<string, LanePartition>()
  const entries = new Map<string, Waiting>()
  const identities = new Map<string, string>()
  let weight = 0

  const partitionAt = (topic: string, partition: number): LanePartition => {
    const name = `${topic}/${partition}`
    const known = partitions.get(name)
    if (known !== undefined) return known
    const made: LanePartition = { topic, partition, queues: new Map() }
    partitions.set(name, made)
    return made
  }

  const allQueues = (): readonly Queue[] => [...partitions.values()].flatMap(({ queues }) => [...queues.values()])

  const remove = (place: LanePartition, waiting: Waiting): number => {
    const { queue, entry } = waiting
    queue.waiting.splice(queue.waiting.indexOf(waiting), 1)
    entries.delete(entry.entryId)
    identities.delete(identityOf(entry))
    dropIfIdle(place, queue, entry.entryId)
    const bytes = weightOf(entry.record.body)
    weight -= bytes
    return bytes
  }

  return {
    get size() {
      return entries.size
    },
    get weight() {
      return weight
    },
    has: (entry) => identities.has(identityOf(entry)),
    add(entry, number, at) {
      const identity = identityOf(entry)
      if (identities.has(identity)) return 0
      const entryId = positionOf(number)
      const queue = queueAt(partitionAt(entry.record.topic, entry.record.partition), entry.laneKey, entryId)
      const waiting = { entry: { ...entry, entryId }, dueAt: at + entry.delayMs, queue }
      insertInOrder(queue.waiting, waiting)
      entries.set(entryId, waiting)
      identities.set(identity, entryId)
      const bytes = weightOf(entry.record.body)
      weight += bytes
      return bytes
    },
    take(entry) {
      const waiting = entries.get(identities.get(identityOf(entry)) ?? '')
      return waiting === undefined ? 0 : remove(partitionAt(entry.record.topic, entry.record.partition), waiting)
    },
    due(topic, partition, limit, at) {
      const found: LaneEntry[] = []
      for (const queue of partitions.get(`${topic}/${partition}`)?.queues.values() ?? []) {
        for (const { entry } of readyIn(queue, at)) {
          if (found.length === limit) return found
          found.push(entry)
        }
      }
      return found
    },
    settle({ topic, partition, done, postponed, park = [] }, at) {
      const place = partitionAt(topic, partition)
      for (const key of park) queueAt(place, key, '').parked = true
      for (const { entryId, delayMs, attempts, firstFailedAt } of postponed) {
        const waiting = entries.get(entryId)
        if (waiting === undefined) continue
        waiting.entry = { ...waiting.entry, delayMs, attempts, firstFailedAt }
        waiting.dueAt = at + delayMs
      }
      let bytes = 0
      for (const entryId of done) {
        const waiting = entries.get(entryId)
        if (waiting !== undefined) bytes += remove(place, waiting)
      }
      return bytes
    },
    keys(topic, partition, only) {
      const keys = new Map<string, LaneKey>()
      const { queues } = partitionAt(topic, partition)
      for (const queue of only?.map((key) => queues.get(nameOf(key, ''))) ?? queues.values()) {
        if (queue?.key !== undefined) keys.set(queue.key, { waiting: queue.waiting.length, parked: queue.parked })
      }
      return keys
    },
    park(topic, partition, key) {
      queueAt(partitionAt(topic, partition), key, '').parked = true
    },
    unpark(topic, partition, key) {
      const place = partitions.get(`${topic}/${partition}`)
      const queue = place?.queues.get(nameOf(key, ''))
      if (place === undefined || queue === undefined) return
      queue.parked = false
      dropIfIdle(place, queue, '')
    },
    next: (at) => nextOf(allQueues(), at),
    counts: (at) => countsOf(allQueues(), at),
    removeTopic(topic) {
      let bytes = 0
      for (const [name, place] of partitions) {
        if (place.topic !== topic) continue
        for (const queue of place.queues.values()) for (const each of [...queue.waiting]) bytes += remove(place, each)
        partitions.delete(name)
      }
      return bytes
    },
  }
}

/** The entries at the head of a queue that may be handed out now. */
function readyIn({ parked, waiting }: Queue, at: number): readonly Waiting[] {
  if (parked) return []
  const blocked = waiting.findIndex(({ dueAt }) => dueAt > at)
  return blocked === -1 ? waiting : waiting.slice(0, blocked)
}

function countsOf(queues: readonly Queue[], at: number): LaneCounts {
  let waiting = 0
  let due = 0
  let parked = 0
  for (const queue of queues) {
    waiting += queue.waiting.length
    if (queue.parked) parked += queue.waiting.length
    due += readyIn(queue, at).length
  }
  const keys = queues.filter(({ key }) => key !== undefined).length
  return { waiting, due, parked, keys }
}

function nextOf(queues: readonly Queue[], at: number): LaneNext {
  let dueAt = Infinity
  for (const { parked, waiting } of queues) {
    if (!parked) dueAt = Math.min(dueAt, waiting[0]?.dueAt ?? Infinity)
  }
  return { isEmpty: queues.length === 0, dueInMs: dueAt === Infinity ? undefined : Math.max(0, dueAt - at) }
}

function queueAt(place: LanePartition, key: string | undefined, entryId: string): Queue {
  const name = nameOf(key, entryId)
  const known = place.queues.get(name)
  if (known !== undefined) return known
  const made: Queue = { key, parked: false, waiting: [] }
  place.queues.set(name, made)
  return made
}

function dropIfIdle(place: LanePartition, queue: Queue, entryId: string): void {
  if (queue.waiting.length === 0 && !queue.parked) place.queues.delete(nameOf(queue.key, entryId))
}

function nameOf(key: string | undefined, entryId: string): string {
  return key === undefined ? `#${entryId}` : `=${key}`
}

/** By position, then by entry. New entries mostly belong at the end. */
function insertInOrder(waiting: Waiting[], added: Waiting): void {
  let at = waiting.length
  while (at > 0 && isAfter(waiting[at - 1]?.entry, added.entry)) at -= 1
  waiting.splice(at, 0, added)
}

function isAfter(one: LaneEntry | undefined, other: LaneEntry): boolean {
  if (one === undefined) return false
  if (one.record.position !== other.record.position) return one.record.position > other.record.position
  return one.entryId > other.entryId
}

function identityOf({ record, generation }: Pick<NewLaneEntry, 'record' | 'generation'>): string {
  return `${record.partition}/${record.position}/${generation}/${record.topic}`
}
