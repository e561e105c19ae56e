import type { PublishRecord, StoredRecord } from '@millrace/core/driver'
import { positionOfId, timeOf } from './position.ts'

/**
 * The header of a stream entry: id, source, correlation, type and key, a line each, so that the scripts and the consumer
 * need not parse the body. Line feeds and backslashes within them are escaped.
 */
export function headerOf({ id, source, type, key, correlationId }: PublishRecord): string {
  const header = `${id}\n${source}\n${correlationId ?? ''}\n${type}\n${key ?? ''}`
  // Five parts have four line feeds: more of them, or a backslash, is rare enough to look for once.
  if (!header.includes('\\') && countLines(header) === 5) return header
  return [id, source, correlationId ?? '', type, key ?? ''].map(escapeText).join('\n')
}

/** What a script stores of an id: the same escapes. */
export function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function unescapeText(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
}

function countLines(text: string): number {
  let lines = 1
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines += 1
  return lines
}

/** A stream entry as a reply has it: its id, and field and value of header and body. */
export type Entry = readonly [id: string, fields: readonly string[]]

/** The event of a stream entry. */
export function recordOf(topic: string, partition: number, [streamId, fields]: Entry): StoredRecord {
  const { id, type, key } = readHeader(fields[1] ?? '')
  const position = positionOfId(streamId)
  return { topic, partition, position, id, type, key, recordedAt: timeOf(position), body: fields[3] ?? '' }
}

/** What a header says. */
export interface Header {
  readonly id: string
  readonly source: string
  readonly correlationId: string | undefined
  readonly type: string
  readonly key: string | undefined
}

/** The parts of a header. */
export function readHeader(header: string): Header {
  const parts = header.split('\n')
  const [id = '', source = '', correlationId = '', type = '', key = ''] = header.includes('\\')
    ? parts.map(unescapeText)
    : parts
  return {
    id,
    source,
    correlationId: correlationId === '' ? undefined : correlationId,
    type,
    key: key === '' ? undefined : key,
  }
}
