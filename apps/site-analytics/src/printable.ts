/** How much of a bad input is kept. */
export const RAW_CHARACTERS = 2_000

/**
 * A bad input as text that no terminal, page or log can trip over: control characters, line separators and lone
 * surrogates as `\xNN` or `\uNNNN`, cut at `limit` characters.
 */
export function printable(
  input: string,
  limit: number = RAW_CHARACTERS,
): { readonly text: string; readonly truncated: boolean } {
  let text = ''
  // Nothing beyond the limit is looked at: the input may be a megabyte.
  for (const character of input.slice(0, limit + 1)) {
    const shown = isUnsafe(character) ? escaped(character) : character
    if (text.length + shown.length > limit) return { text, truncated: true }
    text += shown
  }
  return { text, truncated: false }
}

function isUnsafe(character: string): boolean {
  const code = character.codePointAt(0) ?? 0
  return (
    code < 0x20 ||
    (code >= 0x7f && code <= 0x9f) ||
    (code >= 0xd800 && code <= 0xdfff) ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2066 && code <= 0x2069)
  )
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
}
