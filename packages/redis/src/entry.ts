import type { StoredRecord } from '@millrace/core/driver'
import { placeOfId, positionsFrom } from './position.ts'

/**
 * A stream entry as a reply has it: events of one source that were appended together. Its id is the place of the last of them; those before
 * it have the numbers before. Field and value of the header, of the bodies one after another, and of the ids that were stored before and do not
 * count, where there are any.
 */
export type Entry = readonly [id: string, fields: readonly string[]]

/** What the header says of an event beside what is in its record. */
export interface Origin {
  readonly id: string
  readonly source: string
  readonly correlationId: string | undefined
}

/** An event as the header tells of it. */
interface Named {
  readonly id: string
  readonly correlationId: string | undefined
  readonly type: string
  readonly key: string | undefined
  readonly body: string
}

/** The lines of one event in a header. */
const LINES = 5

/**
 * The header of an entry, so that the scripts and the consumer need not parse bodies: the source, then of each event its id, correlation,
 * type, key and the characters of its body, a line each. Line feeds and backslashes within them are escaped.
 */
export function headerOf(source: string, events: readonly Named[]): string {
  const header = `${source}\n${events.map(linesOf).join('')}`
  // More line feeds than lines, or a backslash, are rare enough to look for once.
  if (!header.includes('\\') && countLines(header) === 1 + events.length * LINES) return header
  return `${escapeText(source)}\n${events.map(escapedLinesOf).join('')}`
}

function linesOf({ id, correlationId, type, key, body }: Named): string {
  return `${id}\n${correlationId ?? ''}\n${type}\n${key ?? ''}\n${body.length}\n`
}

function escapedLinesOf({ id, correlationId, type, key, body }: Named): string {
  return `${[id, correlationId ?? '', type, key ?? ''].map(escapeText).join('\n')}\n${body.length}\n`
}

function countLines(text: string): number {
  let lines = 0
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines += 1
  return lines
}

/**
 * What every record begins as a copy of. Of an object literal V8 may come to make all in the old generation at once, when it has seen a hundred
 * and all were still waiting for their handlers; from then on no event would be collected young.
 */
const BLANK = {
  topic: '',
  partition: 0,
  position: '',
  id: '',
  type: '',
  key: undefined,
  recordedAt: Infinity,
  body: '',
}

/** The events of a stream entry in their order; those that are wanted. */
export function recordsOf(
  topic: string,
  partition: number,
  [streamId, fields]: Entry,
  isWanted?: (origin: Origin) => boolean,
): StoredRecord[] {
  const [, header = '', , bodies = '', , voided] = fields
  const lines = header.split('\n')
  const read = header.includes('\\') ? unescapeText : asItIs
  const voids = voided?.split('\n')
  const events = (lines.length - 2) / LINES
  const source = read(lines[0] ?? '')
  const { ms: recordedAt, n: last } = placeOfId(streamId)
  const nextPosition = positionsFrom({ ms: recordedAt, n: last + 1 - events + (voids?.length ?? 0) })
  const present = (text = ''): string | undefined => (text === '' ? undefined : read(text))
  const records: StoredRecord[] = []
  let from = 0
  for (let at = 1; at < lines.length - 1; at += LINES) {
    const named = lines[at] ?? ''
    const to = from + Number(lines[at + 4])
    if (voids?.includes(named) !== true) {
      const position = nextPosition()
      const id = read(named)
      if (isWanted === undefined || isWanted({ id, source, correlationId: present(lines[at + 1]) })) {
        const type = read(lines[at + 2] ?? '')
        const body = bodies.slice(from, to)
        records.push({ ...BLANK, topic, partition, position, id, type, key: present(lines[at + 3]), recordedAt, body })
      }
    }
    from = to
  }
  return records
}

/** What a script stores of an id: line feeds and backslashes escaped. */
export function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

/** What `escapeText` was given. */
export function unescapeText(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
}

function asItIs(text: string): string {
  return text
}
