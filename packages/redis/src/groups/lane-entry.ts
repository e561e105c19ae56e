import type { LaneEntry, NewLaneEntry, StoredRecord } from '@millrace/core/driver'
import { placeName } from '../keys.ts'

/** The queue of a key in the lane; an event without one has a queue of its own, which the script names. */
export function queueOf(laneKey: string | undefined): string {
  return laneKey === undefined
    ? '#'
    : `=${laneKey.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\0', '\\0').replaceAll('\u0001', '\\1')}`
}

/** The key of a queue. */
export function keyOfQueue(name: string): string {
  return name.slice(1).replaceAll(/\\(.)/g, (_, escaped: string) => ESCAPES[escaped] ?? escaped)
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', '0': '\0', '1': '\u0001' }

/** What makes an entry the same as another one: the place of its event and the generation. */
export function identityOf({ topic, partition, position }: StoredRecord, generation: number): string {
  return `${placeName(topic, partition)}/${position}/${generation}`
}

/** What the lane keeps of an entry beside what the scripts look at. */
export function encodeRest({
  laneKey,
  record,
  reason,
  generation,
}: Pick<NewLaneEntry, 'laneKey' | 'record' | 'reason' | 'generation'>): string {
  return JSON.stringify({ laneKey, reason, generation, record })
}

/** An entry as it was stored: lines, the last one JSON. */
export function decodeEntry(group: string, entryId: string, stored: string): LaneEntry {
  const parts = splitLines(stored, 9)
  const [, , , , , attempts = '0', failed = '', delay = '0', rest = '{}'] = parts
  const { laneKey, reason, generation, record } = JSON.parse(rest) as Pick<
    NewLaneEntry,
    'reason' | 'generation' | 'record'
  > & {
    readonly laneKey?: string
  }
  return {
    entryId,
    group,
    laneKey,
    record: decodeRecord(record),
    delayMs: Number(delay),
    attempts: Number(attempts),
    firstFailedAt: failed === '' ? undefined : Number(failed),
    reason,
    generation,
  }
}

/** JSON leaves out a key that is undefined. */
export function decodeRecord({
  topic,
  partition,
  position,
  id,
  type,
  key,
  recordedAt,
  body,
}: StoredRecord): StoredRecord {
  return { topic, partition, position, id, type, key, recordedAt, body }
}

/** The first lines of a text, and the rest as one. */
export function splitLines(text: string, count: number): string[] {
  const lines: string[] = []
  let from = 0
  while (lines.length < count - 1) {
    const end = text.indexOf('\n', from)
    if (end === -1) break
    lines.push(text.slice(from, end))
    from = end + 1
  }
  lines.push(text.slice(from))
  return lines
}
