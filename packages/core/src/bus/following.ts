import type { Definitions } from '../contract/catalog.ts'
import type { StoredEvent } from '../contract/event.ts'
import { createMovingPlaces, decodeCursor, encodeMoving, type MovingPlaces } from '../driver/cursor.ts'
import type { StoredRecord } from '../driver/record.ts'
import type { PartitionPosition, Transport } from '../driver/transport.ts'
import { wait } from '../runtime/abort.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createEventFilter } from './event-filter.ts'
import { browsable } from './stored-event.ts'
import { placesOf } from './reading.ts'

/** What to follow. */
export interface FollowOptions {
  /** One topic or several; all, and those that are made later, when absent. */
  readonly topics?: readonly string[]
  /** Exact types or patterns such as `order.*`. */
  readonly types?: readonly string[]
  readonly from?: 'latest' | 'earliest' | Date | { readonly cursor: string }
  readonly signal?: AbortSignal
}

/** An event with the cursor after it. */
export type FollowedEvent = StoredEvent & {
  readonly cursor: string
  /** The event as CloudEvents JSON, as the engine keeps it; undefined when an upcaster has changed it since. */
  readonly body: string | undefined
}

/** A bit of the log with the cursor after it. The first has no events and says where the following really began. */
export interface FollowedChunk {
  readonly events: readonly FollowedEvent[]
  readonly cursor: string
  /** False when retention may have dropped events after the cursor that was asked for. */
  readonly recovered: boolean
}

const READ_RECORDS = 500
const WAIT_MS = 10_000
const LOOK_FOR_TOPICS_MS = 2_000
/** While a topic that was asked for does not exist yet. */
const LOOK_FOR_MISSING_MS = 200

interface Followed {
  readonly moving: MovingPlaces
  since: number | undefined
  reading: Promise<readonly [Followed, readonly Awaited<ReturnType<Transport['read']>>[number][]]> | undefined
}

/**
 * The log as it grows: each chunk is of one topic, in the order of its partitions. Ends when the signal fires. What cannot
 * be decoded is left out. Throws `position_invalid`, `engine_*`.
 */
export async function* follow(
  {
    transport,
    definitions,
    runtime,
  }: {
    readonly transport: Transport
    readonly definitions: Definitions
    readonly runtime: Runtime
  },
  { topics, types, from = 'latest', signal }: FollowOptions,
): AsyncGenerator<FollowedChunk, void, undefined> {
  const matches = types === undefined ? () => true : createEventFilter(types)
  const asked = typeof from === 'object' && 'cursor' in from ? decodeCursor(from.cursor) : undefined
  const followed = new Map<string, Followed>()
  const ended = new AbortController()
  const stop = (): void => ended.abort()
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted) return
  try {
    const recovered = await join(true)
    yield { events: [], cursor: cursorOf(followed), recovered }
    let discovering = discoverLater()
    while (!ended.signal.aborted) {
      const waits: Promise<readonly [Followed, readonly StoredRecord[]] | undefined>[] = [discovering]
      for (const one of followed.values()) waits.push((one.reading ??= read(one)))
      const next = await Promise.race(waits)
      if (next === undefined) {
        discovering = discoverLater()
        continue
      }
      const [one, records] = next
      one.reading = undefined
      const events: FollowedEvent[] = []
      for (const record of records) {
        one.moving.move(record.partition, record.position)
        if (!matches(record.type)) continue
        const found = browsable(record, definitions)
        if (found === undefined) continue
        const { event, body } = found
        events.push(Object.assign(event, { cursor: cursorOf(followed), body }))
      }
      if (events.length > 0) yield { events, cursor: cursorOf(followed), recovered: true }
    }
  } finally {
    ended.abort()
    signal?.removeEventListener('abort', stop)
    await Promise.allSettled([...followed.values()].map((one) => one.reading))
  }

  async function discoverLater(): Promise<undefined> {
    const missing = topics !== undefined && topics.some((topic) => !followed.has(topic))
    await wait(runtime, missing ? LOOK_FOR_MISSING_MS : LOOK_FOR_TOPICS_MS, ended.signal)
    if (!ended.signal.aborted) await join(false)
    return undefined
  }

  /** Takes up topics that are not followed yet; those that appear later are followed from their beginning. */
  async function join(first: boolean): Promise<boolean> {
    const existing = (await transport.list()).topics.filter(
      ({ topic }) => topics === undefined || topics.includes(topic),
    )
    let recovered = true
    for (const { topic } of existing) {
      if (followed.has(topic)) continue
      const start = first ? await startOf(topic) : { places: [], since: asked?.time }
      followed.set(topic, {
        moving: createMovingPlaces(topic, start.places),
        since: start.since,
        reading: undefined,
      })
      if (first && (await hasGap(topic))) recovered = false
    }
    return recovered
  }

  async function startOf(
    topic: string,
  ): Promise<{ readonly places: readonly PartitionPosition[]; readonly since: number | undefined }> {
    if (from === 'earliest') return { places: [], since: undefined }
    if (from instanceof Date) return { places: [], since: from.getTime() }
    if (asked !== undefined) {
      const places = placesOf(asked, topic).map(([partition, position]) => ({ partition, position }))
      return { places, since: asked.time }
    }
    return { places: await headsOf(transport, topic), since: undefined }
  }

  /** Whether the event that the cursor stands on is gone: then younger ones may be gone with it. */
  async function hasGap(topic: string): Promise<boolean> {
    for (const [partition, position] of placesOf(asked, topic)) {
      const oldest = (await transport.read({ topic, partition, limit: 1 }))[0]
      if (oldest !== undefined && oldest.position > position) return true
    }
    return false
  }

  async function read(one: Followed): Promise<readonly [Followed, Awaited<ReturnType<Transport['read']>>]> {
    const { topic, places } = one.moving
    const after = [...places].map(([partition, position]) => ({ partition, position }))
    const records = await transport.read({
      topic,
      after,
      limit: READ_RECORDS,
      waitMs: WAIT_MS,
      signal: ended.signal,
      ...(one.since === undefined ? {} : { since: one.since }),
    })
    return [one, records]
  }
}

/** The last position of each partition that has events. */
export async function headsOf(transport: Transport, topic: string): Promise<readonly PartitionPosition[]> {
  const info = (await transport.list()).topics.find((candidate) => candidate.topic === topic)
  const heads: PartitionPosition[] = []
  for (let partition = 0; partition < (info?.partitions ?? 0); partition += 1) {
    const last = (await transport.read({ topic, partition, limit: 1, backwards: true }))[0]
    if (last !== undefined) heads.push({ partition, position: last.position })
  }
  return heads
}

function cursorOf(followed: ReadonlyMap<string, Followed>): string {
  const topics: MovingPlaces[] = []
  let time: number | undefined
  for (const { moving, since } of followed.values()) {
    topics.push(moving)
    if (since !== undefined) time = Math.min(time ?? since, since)
  }
  return encodeMoving(topics, time)
}
