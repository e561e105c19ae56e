import type { StoredRecord } from '../driver/record.ts'
import type { ReadQuery } from '../driver/transport.ts'
import type { MemoryEngine } from './engine.ts'
import type { PartitionLog } from './partition-log.ts'
import { sequenceOf } from './position.ts'
import { topicOf } from './topics.ts'

/** One partition on the way through a reading: `next` moves by `step` until it has passed `last`. */
interface Span {
  readonly log: PartitionLog
  next: number
  readonly last: number
}

/** The events that a query selects, without waiting. Backwards they come newest first. Throws `topic_unknown`. */
export function read(engine: MemoryEngine, query: ReadQuery): StoredRecord[] {
  const { topic, partition, limit, type, key, backwards = false } = query
  const logs = topicOf(engine, topic).partitions.filter((log) => partition === undefined || log.partition === partition)
  const spans = logs.map((log) => spanOf(log, query))
  const step = backwards ? -1 : 1
  const found: StoredRecord[] = []
  while (found.length < limit) {
    const span = nextSpan(spans, step)
    if (span === undefined) break
    const record = span.log.at(span.next)?.record
    span.next += step
    if (record === undefined || (type !== undefined && record.type !== type)) continue
    if (key === undefined || record.key === key) found.push(record)
  }
  return found
}

/**
 * Up to `max` events after each partition's sequence number: first an equal share for each, then the rest in turn,
 * beginning with the first partition given.
 */
export function take(
  engine: MemoryEngine,
  topic: string,
  after: ReadonlyMap<number, number>,
  max: number,
): StoredRecord[] {
  const { partitions } = topicOf(engine, topic)
  const spans: Span[] = []
  for (const [partition, sequence] of after) {
    const log = partitions[partition]
    if (log !== undefined && log.head > sequence) {
      spans.push({ log, next: Math.max(sequence, log.dropped) + 1, last: log.head })
    }
  }
  const taken: StoredRecord[] = []
  for (let share = Math.max(1, Math.floor(max / Math.max(1, spans.length))); taken.length < max; share = max) {
    const before = taken.length
    for (const span of spans) takeFrom(span, Math.min(share, max - taken.length), taken)
    if (taken.length === before) break
  }
  return taken
}

function takeFrom(span: Span, count: number, taken: StoredRecord[]): void {
  const end = Math.min(span.last, span.next + count - 1)
  for (; span.next <= end; span.next += 1) {
    const event = span.log.at(span.next)
    if (event !== undefined) taken.push(event.record)
  }
}

function spanOf(log: PartitionLog, { after, since, until, backwards }: ReadQuery): Span {
  const given = after?.find(({ partition }) => partition === log.partition)
  const sequence = sequenceOf(given?.position)
  const first = Math.max(log.dropped + 1, since === undefined ? 1 : log.firstSince(since))
  const last = Math.min(log.head, until === undefined ? Infinity : log.firstSince(until) - 1)
  if (backwards) return { log, next: given === undefined ? last : Math.min(last, sequence - 1), last: first }
  return { log, next: Math.max(first, sequence + 1), last }
}

/** The span whose next event comes first by recorded time, then partition; last when going backwards. */
function nextSpan(spans: readonly Span[], step: 1 | -1): Span | undefined {
  let best: Span | undefined
  let bestAt = 0
  for (const span of spans) {
    if ((span.last - span.next) * step < 0) continue
    const at = span.log.at(span.next)?.record.recordedAt ?? 0
    if (best === undefined || (at - bestAt) * step < 0 || (at === bestAt && step < 0)) {
      best = span
      bestAt = at
    }
  }
  return best
}
