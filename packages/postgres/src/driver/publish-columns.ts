import type { PublishRecord } from '@millrace/core/driver'
import { encodeName } from '../name-codec.ts'

/** Columns travel as one text each: neither JSON nor an encoded name holds these two characters. */
export const SEPARATOR = '\x1f'
const NONE = '\x1e'
/** Clocks may differ by this much: an id made at a time is looked for in what was stored since an hour before. */
const CLOCKS_DIFFER_MS = 3_600_000
const UUID_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** The arguments of `publish_1`. */
export function columnsOf(topic: string, records: readonly PublishRecord[]): (string | number)[] {
  const partitions: number[] = []
  const ranks: number[] = []
  const counts = new Map<number, number>()
  const ids: string[] = []
  const sources: string[] = []
  const types: string[] = []
  const keys: string[] = []
  const correlations: string[] = []
  const bodies: string[] = []
  for (const { partition, id, source, type, key, correlationId, body } of records) {
    const rank = (counts.get(partition) ?? 0) + 1
    counts.set(partition, rank)
    partitions.push(partition)
    ranks.push(rank)
    ids.push(encodeName(id))
    sources.push(encodeName(source))
    types.push(encodeName(type))
    keys.push(key === undefined ? NONE : encodeName(key))
    correlations.push(correlationId === undefined ? NONE : encodeName(correlationId))
    bodies.push(body)
  }
  return [
    topic,
    `{${partitions.join(',')}}`,
    `{${ranks.join(',')}}`,
    bornSince(records),
    joined(ids),
    joined(onlyOne(sources)),
    joined(onlyOne(types)),
    joined(keys),
    joined(correlations.every((each) => each === NONE) ? [] : correlations),
    joined(bodies),
  ]
}

function joined(column: readonly string[]): string {
  return column.join(SEPARATOR)
}

/** A column whose values are all the same travels as one of them. */
function onlyOne(column: readonly string[]): readonly string[] {
  return column.every((each) => each === column[0]) ? column.slice(0, 1) : column
}

/** Since when the ids can have been stored: UUIDv7 tells when it was made, any other id may be as old as the log. */
export function bornSince(records: readonly PublishRecord[]): number {
  let since = Infinity
  for (const { id } of records) {
    if (!UUID_7.test(id)) return 0
    since = Math.min(since, Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16))
  }
  return Math.max(0, since - CLOCKS_DIFFER_MS)
}
