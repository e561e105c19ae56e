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

const UUID7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[\da-f]{4}-[\da-f]{12}$/
const TIME_CHARACTERS = 13

/** The field of an id in the hash of ids. */
export function bucketOf(id: string): IdBucket {
  if (!UUID7.test(id)) return { bucket: escapeText(id), rest: '.' }
  return { bucket: id.slice(0, TIME_CHARACTERS), rest: id.slice(TIME_CHARACTERS + 1) }
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
