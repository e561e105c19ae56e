import type { Definitions } from '../contract/catalog.ts'
import {
  createCursorWriter,
  createMovingPlaces,
  decodeCursor,
  encodeMoving,
  type Cursor,
  type CursorEnd,
  type MovingPlaces,
} from '../driver/cursor.ts'
import type { StoredRecord } from '../driver/record.ts'
import type { PartitionPosition, Transport } from '../driver/transport.ts'
import { wait } from '../runtime/abort.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createEventFilter } from './event-filter.ts'
import { beginningChunk, chunkOf, type Followed, type FollowedChunk } from './followed-chunk.ts'
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

const READ_RECORDS = 500
const WAIT_MS = 10_000
const LOOK_FOR_TOPICS_MS = 2_000
/** While a topic that was asked for does not exist yet. */
const LOOK_FOR_MISSING_MS = 200
/** The clock of a server that takes over may be so far behind that of the one before. */
const CLOCKS_DIFFER_MS = 5_000

/** Where the following of a topic begins, and whether that is where it was asked to. */
interface Start {
  readonly places: readonly PartitionPosition[]
  readonly since: number | undefined
  readonly intact: boolean
}

interface FollowedTopic {
  readonly moving: MovingPlaces
  since: number | undefined
  reading: Promise<readonly [FollowedTopic, readonly Awaited<ReturnType<Transport['read']>>[number][]]> | undefined
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
  const followed = new Map<string, FollowedTopic>()
  let timeline = asked?.timeline
  /** When the newest event was recorded that came by. */
  let newestAt = newestBefore(from, asked) ?? runtime.now()
  const ended = new AbortController()
  const stop = (): void => ended.abort()
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted) return
  try {
    const recovered = await join(true)
    yield beginningChunk(cursorNow(), recovered)
    let discovering = discoverLater()
    while (!ended.signal.aborted) {
      const waits: Promise<readonly [FollowedTopic, readonly StoredRecord[]] | 'begun anew' | undefined>[] = [
        discovering,
      ]
      for (const one of followed.values()) waits.push((one.reading ??= read(one)))
      const next = await Promise.race(waits)
      if (next === undefined || next === 'begun anew') {
        if (next !== undefined) yield beginningChunk(cursorNow(), false)
        discovering = discoverLater()
        continue
      }
      const [one, records] = next
      one.reading = undefined
      const cursorAfter = createCursorWriter(one.moving, ...allPlaces())
      const passed: Followed[] = []
      for (const record of records) {
        one.moving.move(record.partition, record.position)
        newestAt = Math.max(newestAt, record.recordedAt)
        if (matches(record.type)) passed.push({ record, cursor: cursorAfter() })
      }
      if (passed.length > 0) yield chunkOf(passed, cursorAfter(), definitions)
    }
  } finally {
    ended.abort()
    signal?.removeEventListener('abort', stop)
    await Promise.allSettled([...followed.values()].map((one) => one.reading))
  }

  async function discoverLater(): Promise<'begun anew' | undefined> {
    const missing = topics !== undefined && topics.some((topic) => !followed.has(topic))
    await wait(runtime, missing ? LOOK_FOR_MISSING_MS : LOOK_FOR_TOPICS_MS, ended.signal)
    return ended.signal.aborted || (await join(false)) ? undefined : 'begun anew'
  }

  /**
   * Takes up topics that are not followed yet; those that appear later are followed from their beginning. False when what was followed, or asked
   * for, is not what the engine has now.
   */
  async function join(first: boolean): Promise<boolean> {
    const seenAt = newestAt
    const listed = await transport.list()
    const existing = listed.topics.filter(({ topic }) => topics === undefined || topics.includes(topic))
    const before = timeline
    // What was read up to here is of the history that was listed after it.
    if (listed.timeline !== undefined) timeline = { name: listed.timeline, seenAt }
    if (before !== undefined && timeline !== undefined && before.name !== timeline.name) {
      newestAt = before.seenAt
      timeline = { ...timeline, seenAt: newestAt }
      await beginAnew(
        existing.map(({ topic }) => topic),
        before.seenAt - CLOCKS_DIFFER_MS,
      )
      return false
    }
    let intact = true
    for (const { topic } of existing) {
      if (followed.has(topic)) continue
      const start = first ? await startOf(topic) : { places: [], since: asked?.time, intact: true }
      take(topic, start)
      intact &&= start.intact
    }
    return intact
  }

  function take(topic: string, { places, since }: Pick<Start, 'places' | 'since'>): void {
    followed.get(topic)?.reading?.catch(() => {})
    followed.set(topic, { moving: createMovingPlaces(topic, places), since, reading: undefined })
  }

  /** Goes back behind whatever may have been lost: what stands there now was not seen. */
  async function beginAnew(existing: readonly string[], time: number): Promise<void> {
    for (const topic of existing) {
      const one = followed.get(topic)
      const places = one === undefined ? placesOf(asked, topic) : [...one.moving.places]
      const back = await Promise.all(
        places.map(async ([partition, position]): Promise<readonly PartitionPosition[]> => {
          const [last] = await transport.read({ topic, partition, until: time, backwards: true, limit: 1 })
          if (last === undefined) return []
          return [{ partition, position: last.position < position ? last.position : position }]
        }),
      )
      take(topic, { places: back.flat(), since: one === undefined ? asked?.time : one.since })
    }
  }

  async function startOf(topic: string): Promise<Start> {
    if (from === 'earliest') return { places: [], since: undefined, intact: true }
    if (from instanceof Date) return { places: [], since: from.getTime(), intact: true }
    if (asked === undefined) return { places: await headsOf(transport, topic), since: undefined, intact: true }
    const found = await Promise.all(
      placesOf(asked, topic).map(([partition, position]) => findPlace(topic, { partition, position })),
    )
    return {
      places: found.map(({ place }) => place),
      since: asked.time,
      intact: found.every(({ intact }) => intact),
    }
  }

  /** Where to go on from a place. When its event is gone, younger ones may be gone with it; when the newest is older, it was lost. */
  async function findPlace(
    topic: string,
    place: PartitionPosition,
  ): Promise<{ readonly place: PartitionPosition; readonly intact: boolean }> {
    const { partition, position } = place
    const [[oldest], [newest]] = await Promise.all([
      transport.read({ topic, partition, limit: 1 }),
      transport.read({ topic, partition, limit: 1, backwards: true }),
    ])
    const isBeyond = newest !== undefined && newest.position < position
    return {
      place: isBeyond ? { partition, position: newest.position } : place,
      intact: !isBeyond && (oldest === undefined || oldest.position <= position),
    }
  }

  function cursorNow(): string {
    return encodeMoving(...allPlaces())
  }

  function allPlaces(): [topics: MovingPlaces[], end: CursorEnd] {
    const topics = [...followed.values()]
    return [topics.map(({ moving }) => moving), { time: sinceOf(topics), timeline }]
  }

  async function read(one: FollowedTopic): Promise<readonly [FollowedTopic, Awaited<ReturnType<Transport['read']>>]> {
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

/** Since when the topics are followed of which the cursor names no place. */
function sinceOf(followed: Iterable<FollowedTopic>): number | undefined {
  let time: number | undefined
  for (const { since } of followed) if (since !== undefined) time = Math.min(time ?? since, since)
  return time
}

/** When the newest of the events before the beginning may have been recorded; undefined where it begins now. */
function newestBefore(from: FollowOptions['from'], asked: Cursor | undefined): number | undefined {
  if (from === 'earliest') return 0
  return from instanceof Date ? from.getTime() : (asked?.timeline?.seenAt ?? asked?.time)
}
