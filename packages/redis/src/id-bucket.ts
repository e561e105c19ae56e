import { escapeText } from './entry.ts'

/**
 * Where an id is looked up: UUIDv7 of the same millisecond share a field of the hash, since a field for each would cost the server more than
 * the event. Any other id has a field of its own.
 */
export interface IdBucket {
  readonly bucket: string
  /** The rest of the id, or a dot for all of it. */
  readonly rest: string
}

const TIME_CHARACTERS = 13
const CHARACTERS = 36
const DASH = '-'.charCodeAt(0)
const SEVEN = '7'.charCodeAt(0)
/** 1 for each character that is a digit of a UUID. */
const IS_DIGIT = Uint8Array.from({ length: 128 }, (_, code) =>
  '0123456789abcdef'.includes(String.fromCharCode(code)) ? 1 : 0,
)
const DIGITS = 32

/** The field of an id in the hash of ids. */
export function bucketOf(id: string): IdBucket {
  if (!isUuid7(id)) return { bucket: escapeText(id), rest: '.' }
  return { bucket: id.slice(0, TIME_CHARACTERS), rest: id.slice(TIME_CHARACTERS + 1) }
}

/** In half of the time that a regular expression takes. */
function isUuid7(id: string): boolean {
  if (id.length !== CHARACTERS || id.charCodeAt(14) !== SEVEN) return false
  for (const at of [8, 13, 18, 23]) if (id.charCodeAt(at) !== DASH) return false
  let digits = 0
  for (let at = 0; at < CHARACTERS; at += 1) digits += IS_DIGIT[id.charCodeAt(at)] ?? 0
  return digits === DIGITS
}

/** The entries in which events of an id are, from what its bucket holds: of each entry its id, the source and the rests of ids, a line each. */
export function entriesIn(held: string, { rest }: IdBucket): string[] {
  const lines = held.split('\n')
  const entries: string[] = []
  for (let at = 0; at + 2 < lines.length; at += 3) {
    if (lines[at + 2]?.split(' ').includes(rest) === true) entries.push(lines[at] ?? '')
  }
  return entries
}
