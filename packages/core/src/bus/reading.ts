import type { Definitions } from '../contract/catalog.ts'
import type { StoredEvent } from '../contract/event.ts'
import { decodeCursor, encodeCursor, type Cursor } from '../driver/cursor.ts'
import type { StoredRecord } from '../driver/record.ts'
import type { PartitionPosition, ReadQuery, Transport } from '../driver/transport.ts'
import { MillraceError } from '../runtime/error.ts'
import { createEventFilter } from './event-filter.ts'
import { browsableEvent } from './stored-event.ts'

/** What to browse. */
export interface ReadOptions {
  /** One topic or several; all when absent. */
  readonly topics?: readonly string[]
  /** Exact types or patterns such as `order.*`; all when absent. */
  readonly types?: readonly string[]
  readonly key?: string
  /** An opaque cursor, or a time. */
  readonly after?: string | Date
  readonly until?: Date
  /** Default 100, at most 1,000. */
  readonly limit?: number
  readonly backwards?: boolean
}

/** A bit of the log. */
export interface Page {
  readonly events: readonly StoredEvent[]
  /** For the next page; undefined when there is no more for now. */
  readonly next: string | undefined
}

/** What readers need. */
export interface ReadingContext {
  readonly transport: Transport
  readonly definitions: Definitions
}

const MOST_EVENTS = 1_000
/** Events looked at for one page, so that a filter that matches nothing does not read the whole log at once. */
const MOST_SCANNED = 20_000
const SCAN_RECORDS = 1_000

/** Reads a page without a group. Throws `position_invalid`, `request_invalid`, `topic_unknown`. */
export async function readPage({ transport, definitions }: ReadingContext, options: ReadOptions = {}): Promise<Page> {
  const limit = pageLimit(options.limit)
  const backwards = options.backwards ?? false
  const topics = options.topics ?? (await transport.list()).topics.map(({ topic }) => topic)
  const cursor = typeof options.after === 'string' ? decodeCursor(options.after) : undefined
  const matches = options.types === undefined ? () => true : createEventFilter(options.types)
  const sources = topics.map((topic) => ({
    topic,
    places: new Map(placesOf(cursor, topic)),
    held: [] as StoredRecord[],
    ended: false,
  }))
  const base = rangeOf(options, cursor)
  const found: StoredRecord[] = []
  let scanned = 0
  while (found.length < limit && scanned < MOST_SCANNED) {
    for (const source of sources) {
      if (source.held.length > 0 || source.ended) continue
      const asked = Math.min(SCAN_RECORDS, options.types === undefined ? limit : SCAN_RECORDS)
      const places = [...source.places].map(([partition, position]) => ({ partition, position }))
      const records = await transport.read({ ...base, topic: source.topic, after: places, limit: asked })
      source.held = [...records]
      source.ended = records.length < asked
    }
    const record = takeNext(sources, backwards)
    if (record === undefined) break
    scanned += 1
    if (matches(record.type)) found.push(record)
  }
  const exhausted = sources.every((source) => source.ended && source.held.length === 0)
  return {
    events: found.map((record) => browsableEvent(record, definitions)).filter((event) => event !== undefined),
    next: exhausted && backwards ? undefined : encodeCursor(cursorOf(sources, cursor)),
  }
}

interface Source {
  readonly topic: string
  readonly places: Map<number, string>
  held: StoredRecord[]
  ended: boolean
}

/** The next record over all topics by recorded time; moves the place of its partition past it. */
function takeNext(sources: readonly Source[], backwards: boolean): StoredRecord | undefined {
  let best: Source | undefined
  for (const source of sources) {
    const candidate = source.held[0]
    const leader = best?.held[0]
    if (candidate === undefined) continue
    if (
      leader === undefined ||
      (backwards ? candidate.recordedAt > leader.recordedAt : candidate.recordedAt < leader.recordedAt)
    )
      best = source
  }
  const record = best?.held.shift()
  if (best !== undefined && record !== undefined) best.places.set(record.partition, record.position)
  return record
}

function cursorOf(sources: readonly Source[], before: Cursor | undefined): Cursor {
  const topics = Object.fromEntries(
    sources.map(({ topic, places }) => [topic, [...places].map(([partition, position]) => ({ partition, position }))]),
  )
  return { topics: { ...before?.topics, ...topics }, ...(before?.time === undefined ? {} : { time: before.time }) }
}

/** The bounds that hold for every topic; backwards, `after` is where the reading begins. */
function rangeOf(options: ReadOptions, cursor: Cursor | undefined): Omit<ReadQuery, 'topic' | 'limit' | 'after'> {
  const after = options.after instanceof Date ? timeOf(options.after, 'after') : cursor?.time
  const until = options.until === undefined ? undefined : timeOf(options.until, 'until')
  const [lower, upper] = options.backwards ? [undefined, until ?? after] : [after, until]
  return {
    ...(lower === undefined ? {} : { since: lower }),
    ...(upper === undefined ? {} : { until: upper }),
    ...(options.key === undefined ? {} : { key: options.key }),
    ...(options.backwards ? { backwards: true } : {}),
  }
}

/** The places of one topic in a cursor. */
export function placesOf(cursor: Cursor | undefined, topic: string): readonly [number, string][] {
  const places: readonly PartitionPosition[] =
    cursor !== undefined && Object.hasOwn(cursor.topics, topic) ? (cursor.topics[topic] ?? []) : []
  return places.map(({ partition, position }) => [partition, position])
}

function pageLimit(limit = 100): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MOST_EVENTS) return limit
  throw new MillraceError(
    'request_invalid',
    `The limit is ${String(limit)}; it must be a whole number from 1 to ${MOST_EVENTS}.`,
    { path: 'limit' },
  )
}

function timeOf(date: Date, path: string): number {
  const time = date.getTime()
  if (!Number.isNaN(time)) return time
  throw new MillraceError('request_invalid', `The time "${path}" does not exist.`, { path })
}
