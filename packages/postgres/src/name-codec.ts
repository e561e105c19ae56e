/**
 * Ids, sources, types and keys as columns keep them. PostgreSQL stores no U+0000, and two more characters part the columns of a
 * batch; each of these, and the one that marks them, is written as the mark and a letter. Nearly every name is its own encoding.
 */
export function encodeName(name: string): string {
  return SPECIAL.test(name)
    ? name.replaceAll(EACH_SPECIAL, (each) => MARK + String.fromCharCode(each.charCodeAt(0) + 64))
    : name
}

/** The name that was encoded. */
export function decodeName(stored: string): string {
  if (!stored.includes(MARK)) return stored
  return stored.replaceAll(EACH_MARKED, (each) => String.fromCharCode(each.charCodeAt(1) - 64))
}

/** The same for what may be absent. */
export function encodeOptional(name: string | undefined): string | null {
  return name === undefined ? null : encodeName(name)
}

/** The same for what may be absent. */
export function decodeOptional(stored: string | null): string | undefined {
  return stored === null ? undefined : decodeName(stored)
}

const MARK = '\x1d'
// oxlint-disable-next-line no-control-regex -- the characters are meant
const SPECIAL = /[\x00\x1d-\x1f]/
// oxlint-disable-next-line no-control-regex -- the characters are meant
const EACH_SPECIAL = /[\x00\x1d-\x1f]/g
// oxlint-disable-next-line no-control-regex -- the characters are meant
const EACH_MARKED = /\x1d[@\]^_]/g
