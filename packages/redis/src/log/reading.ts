import { type Position, type ReadQuery, type StoredRecord, wait } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import type { TopicChanges } from '../driver/topic-changes.ts'
import { type Entry, recordsOf } from '../entry.ts'
import { idOf } from '../position.ts'
import { entriesFor } from './entry-count.ts'
import type { Registry } from './registry.ts'

/** One partition on the way through a reading. */
interface Span {
  readonly partition: number
  readonly buffer: StoredRecord[]
  at: number
  /** Where the next read begins; undefined when there is no more. */
  next: string | undefined
  /** Events that an entry had in the last read, about. */
  eventsAnEntry: number | undefined
}

const LARGEST_CHUNK = 1_000
const SMALLEST_CHUNK = 20

/** The events that a query selects; with `waitMs` an empty answer is held back. Throws `topic_unknown`. */
export async function readRecords(
  redis: Connection,
  {
    registry,
    changes,
    ended,
  }: { readonly registry: Registry; readonly changes: TopicChanges; readonly ended: AbortSignal },
  query: ReadQuery,
): Promise<readonly StoredRecord[]> {
  const { runtime } = redis
  const deadline = runtime.monotonic() + (query.waitMs ?? 0)
  const stops = [ended, ...(query.signal === undefined ? [] : [query.signal])]
  let news = new AbortController()
  const unlisten = query.waitMs === undefined ? undefined : changes.listen(query.topic, () => news.abort())
  try {
    for (;;) {
      news = new AbortController()
      const found = await readNow(redis, registry, query)
      const left = deadline - runtime.monotonic()
      if (found.length > 0 || left <= 0 || stops.some(({ aborted }) => aborted)) return found
      await wait(runtime, left, AbortSignal.any([news.signal, ...stops]))
    }
  } catch (error) {
    if (redis.closing && query.waitMs !== undefined) return []
    throw error
  } finally {
    unlisten?.()
  }
}

async function readNow(redis: Connection, registry: Registry, query: ReadQuery): Promise<StoredRecord[]> {
  const { topic, limit, backwards = false } = query
  const { partitions } = await currentTopic(registry, topic)
  const wanted = query.partition === undefined ? Array.from({ length: partitions }, (_, at) => at) : [query.partition]
  const chunk = Math.min(LARGEST_CHUNK, Math.max(SMALLEST_CHUNK, Math.ceil(limit / wanted.length)))
  const spans = await Promise.all(
    wanted
      .filter((partition) => partition < partitions)
      .map(async (partition): Promise<Span> => ({
        partition,
        buffer: [],
        at: 0,
        next: await startOf(redis, query, partition),
        eventsAnEntry: undefined,
      })),
  )
  const found: StoredRecord[] = []
  while (found.length < limit) {
    const empty = spans.filter(({ buffer, at, next }) => at === buffer.length && next !== undefined)
    if (empty.length > 0) {
      await Promise.all(empty.map((span) => fill(redis, query, span, chunk)))
      continue
    }
    const best = nextSpan(spans, backwards)
    const record = best?.buffer[best.at]
    if (best === undefined || record === undefined) break
    best.at += 1
    found.push(record)
  }
  return found
}

/** A topic that was removed by another process must not be read as if it were empty. */
async function currentTopic(registry: Registry, topic: string): Promise<{ readonly partitions: number }> {
  return registry.known(topic) ?? (await registry.topic(topic))
}

async function fill(redis: Connection, query: ReadQuery, span: Span, chunk: number): Promise<void> {
  const { topic, since, until, type, key, backwards = false } = query
  const { log } = redis.keys.partition(topic, span.partition)
  const low = since === undefined ? '-' : String(since)
  const high = until === undefined ? '+' : String(until - 1)
  const given = positionIn(query, span.partition)
  const from = span.next ?? ''
  const range = backwards ? ['XREVRANGE', log, from, low] : ['XRANGE', log, from, high]
  const atMost = entriesFor(chunk, span.eventsAnEntry)
  const entries = (await redis.call([...range, 'COUNT', String(atMost)], log)) as readonly Entry[]
  span.buffer.length = 0
  span.at = 0
  let events = 0
  for (const entry of entries) {
    const records = recordsOf(topic, span.partition, entry)
    events += records.length
    if (backwards) records.reverse()
    for (const record of records) {
      if ((type !== undefined && record.type !== type) || (key !== undefined && record.key !== key)) continue
      // The entry that holds the position has events on both sides of it.
      if (given === undefined || (backwards ? record.position < given : record.position > given))
        span.buffer.push(record)
    }
  }
  if (entries.length > 0) span.eventsAnEntry = events / entries.length
  span.next = entries.length < atMost ? undefined : `(${entries.at(-1)?.[0] ?? ''}`
}

function positionIn({ after }: ReadQuery, partition: number): Position | undefined {
  return after?.find((each) => each.partition === partition)?.position
}

/** The first stream id that a query may give of a partition, coming from the side that it begins at. */
async function startOf(redis: Connection, query: ReadQuery, partition: number): Promise<string> {
  const { topic, since, until, backwards = false } = query
  const given = positionIn(query, partition)
  const id = given === undefined ? undefined : idOf(given)
  if (!backwards) {
    const bound = since === undefined ? undefined : `${Math.max(0, since)}-0`
    if (id === undefined) return bound ?? '-'
    return bound !== undefined && isBefore(id, bound) ? bound : `(${id}`
  }
  const bound = until === undefined ? undefined : `${until - 1}-18446744073709551615`
  if (id === undefined || (bound !== undefined && isBefore(bound, id))) return bound ?? '+'
  // The id of an entry is the place of its last event: those before the position are in the entry that holds it, too.
  const { log } = redis.keys.partition(topic, partition)
  const [holding] = (await redis.call(['XRANGE', log, id, '+', 'COUNT', '1'], log)) as readonly Entry[]
  return holding === undefined ? '+' : holding[0]
}

function isBefore(one: string, other: string): boolean {
  const [oneMs = 0, oneN = 0] = one.split('-').map(Number)
  const [otherMs = 0, otherN = 0] = other.split('-').map(Number)
  return oneMs < otherMs || (oneMs === otherMs && oneN < otherN)
}

/** The span whose next event comes first by recorded time, then partition; last when going backwards. */
function nextSpan(spans: readonly Span[], backwards: boolean): Span | undefined {
  let best: Span | undefined
  for (const span of spans) {
    const record = span.buffer[span.at]
    if (record === undefined) continue
    const leading = best?.buffer[best.at]
    const order =
      leading === undefined ? -1 : record.recordedAt - leading.recordedAt || record.partition - leading.partition
    if (leading === undefined || (backwards ? order > 0 : order < 0)) best = span
  }
  return best
}
