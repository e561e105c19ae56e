import { MillraceError } from '../runtime/error.ts'
import type { PartitionPosition } from './transport.ts'

/**
 * A place in one or several topics: for each the position after which to go on per partition. A topic that it does not name
 * begins at `time` (milliseconds since the epoch) if there is one, else at its beginning.
 */
export interface Cursor {
  readonly time?: number
  /** The history of the log that the places are of, and when the newest event was recorded that is known to be of it. */
  readonly timeline?: { readonly name: string; readonly seenAt: number }
  readonly topics: Readonly<Record<string, readonly PartitionPosition[]>>
}

/** What a cursor has beside the places. */
export type CursorEnd = { readonly [Member in 'time' | 'timeline']?: Cursor[Member] | undefined }

const MOST_CHARACTERS = 64 * 1024

/** The opaque text of a cursor: base64url without padding, safe in a URL and in an SSE `id`. */
export function encodeCursor(cursor: Cursor): string {
  const topics = Object.entries(cursor.topics).map(([topic, places]) => [
    topic,
    ...places.flatMap(({ partition, position }) => [partition, withoutZeros(position)]),
  ])
  return toBase64Url(`[${JSON.stringify(topics)}${endOf(cursor)}]`)
}

/** The places of one topic as they move on. A step writes one of them anew, not all, so that every event may have its cursor. */
export interface MovingPlaces {
  readonly topic: string
  readonly places: ReadonlyMap<number, string>
  move(partition: number, position: string): void
  /** The entry of the topic in a cursor, as a piece of it. */
  readonly entry: string
}

export function createMovingPlaces(topic: string, start: readonly PartitionPosition[]): MovingPlaces {
  const places = new Map<number, string>()
  const parts = [pieceOf(`[${asciiJson(topic)}`)]
  const partOf = new Map<number, number>()
  // Events come in runs of one partition: what stands around the part that moves is joined once for all of a run.
  let moved = 0
  let before = ''
  let after = ''
  const moving: MovingPlaces = {
    topic,
    places,
    move(partition, position) {
      places.set(partition, position)
      const part = partOf.get(partition) ?? parts.length
      partOf.set(partition, part)
      parts[part] = pieceOf(`,${partition},${asciiJson(withoutZeros(position))}`)
      if (part === moved) return
      moved = part
      before = parts.slice(0, part).join('')
      after = parts.slice(part + 1).join('')
    },
    get entry() {
      return before + parts[moved] + after + CLOSING
    },
  }
  for (const { partition, position } of start) moving.move(partition, position)
  return moving
}

/** The cursor of places that move; it decodes to what `encodeCursor` would give of them. */
export function encodeMoving(topics: Iterable<MovingPlaces>, rest: CursorEnd): string {
  let entries = ''
  for (const { entry } of topics) entries += entries === '' ? entry : COMMA + entry
  return OPENING + entries + base64Url(`]${endOf(rest)}]`)
}

/** Gives that cursor again and again while one of the topics moves: the rest of it is written once. */
export function createCursorWriter(
  moving: MovingPlaces,
  topics: Iterable<MovingPlaces>,
  rest: CursorEnd,
): () => string {
  let after = ''
  for (const topic of topics) if (topic !== moving) after += COMMA + topic.entry
  after += base64Url(`]${endOf(rest)}]`)
  return () => OPENING + moving.entry + after
}

/** JSON in ASCII as a piece of a cursor: spaces fill it up to whole groups of base64, so that pieces can be put together. */
function pieceOf(json: string): string {
  return base64Url(json.padEnd(Math.ceil(json.length / 3) * 3))
}

const OPENING = pieceOf('[[')
const COMMA = pieceOf(',')
const CLOSING = pieceOf(']')

function endOf({ time, timeline }: CursorEnd): string {
  if (timeline === undefined) return time === undefined ? '' : `,${time}`
  return `,${time ?? 'null'},${asciiJson(timeline.name)},${timeline.seenAt}`
}

/** Throws `position_invalid` for anything that `encodeCursor` and `encodeMoving` did not give. */
export function decodeCursor(text: string): Cursor {
  const parsed = text.length > 0 && text.length <= MOST_CHARACTERS ? parse(text) : undefined
  if (!Array.isArray(parsed)) throw invalid(text)
  const [topics, time, name, seenAt] = parsed as readonly unknown[]
  if (!Array.isArray(topics) || (time !== undefined && time !== null && !Number.isSafeInteger(time)))
    throw invalid(text)
  if (name !== undefined && (typeof name !== 'string' || !Number.isSafeInteger(seenAt))) throw invalid(text)
  const entries = topics.map((entry: unknown) => topicEntry(entry, text))
  return {
    topics: Object.fromEntries(entries),
    ...(typeof time === 'number' ? { time } : {}),
    ...(typeof name === 'string' ? { timeline: { name, seenAt: Number(seenAt) } } : {}),
  }
}

function topicEntry(entry: unknown, text: string): [string, PartitionPosition[]] {
  if (!Array.isArray(entry) || typeof entry[0] !== 'string' || entry[0] === '__proto__') throw invalid(text)
  const places: PartitionPosition[] = []
  for (let at = 1; at + 1 < entry.length; at += 2) {
    const partition: unknown = entry[at]
    const position: unknown = entry[at + 1]
    if (!Number.isSafeInteger(partition) || typeof position !== 'string' || !POSITION.test(position))
      throw invalid(text)
    places.push({ partition: Number(partition), position: withZeros(position) })
  }
  return [entry[0], places]
}

/** A position, or the end of one whose zeros have been left out. */
const POSITION = /^(?:[0-9A-Za-z-]{1,64}|~[0-9A-Za-z-]{0,15})$/
/** How wide positions are where they are numbers. */
const WIDTH = 16

/** Leading zeros would be most of a cursor, which goes over the wire with each event of a stream. */
function withoutZeros(position: string): string {
  return position.length === WIDTH && position.startsWith('0') ? position.replace(/^0+/, '~') : position
}

function withZeros(position: string): string {
  return position.startsWith('~') ? position.slice(1).padStart(WIDTH, '0') : position
}

function parse(text: string): unknown {
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
    return JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(binary, (character) => character.charCodeAt(0))),
    )
  } catch {
    return undefined
  }
}

function toBase64Url(json: string): string {
  // Topics and positions are ASCII nearly always; then the text is its own bytes.
  return base64Url(NOT_ASCII.test(json) ? String.fromCharCode(...new TextEncoder().encode(json)) : json)
}

function base64Url(binary: string): string {
  const text = btoa(binary).replaceAll('+', '-').replaceAll('/', '_')
  const padding = text.indexOf('=', text.length - 2)
  return padding === -1 ? text : text.slice(0, padding)
}

function asciiJson(text: string): string {
  const json = JSON.stringify(text)
  if (!NOT_ASCII.test(json)) return json
  return json.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

// oxlint-disable-next-line no-control-regex -- the range is meant
const NOT_ASCII = /[^\x00-\x7f]/

function invalid(text: string): MillraceError {
  return new MillraceError(
    'position_invalid',
    `The cursor "${text.slice(0, 40)}${text.length > 40 ? '…' : ''}" is none that Millrace gave out. Begin without one, or with a time.`,
  )
}
