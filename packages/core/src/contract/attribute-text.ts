import { MillraceError } from '../runtime/error.ts'

const PLAIN = /^[\x20-\x7e]*$/
/** What the String type of CloudEvents 1.0 (§ 2.1) leaves out, surrogates apart. */
const FORBIDDEN = /[\p{Cc}\p{Noncharacter_Code_Point}]/u

/** Whether a text may be the value of a CloudEvents attribute: no control characters, no lone surrogates, no non-characters. */
export function isAttributeText(text: string): boolean {
  return PLAIN.test(text) || (text.isWellFormed() && !FORBIDDEN.test(text))
}

/** Bytes of a text in UTF-8; measured only when the answer can be above `limit`, else the characters are given. */
export function bytesIfNear(text: string, limit: number): number {
  return text.length > limit || text.length * 3 <= limit ? text.length : utf8Bytes(text)
}

/** Bytes of a text in UTF-8. */
export function utf8Bytes(text: string): number {
  return PLAIN.test(text) ? text.length : encoder.encode(text).length
}

const encoder = new TextEncoder()

/**
 * Throws `event_malformed` with the attribute as path unless the value is a text that the attribute may have and is not
 * empty; `limit_exceeded` above `maxBytes`.
 */
export function assertAttributeText(path: string, value: unknown, maxBytes: number): asserts value is string {
  if (typeof value !== 'string') {
    throw new MillraceError('event_malformed', `The attribute "${path}" is ${describe(value)}; it must be a text.`, {
      path,
    })
  }
  if (value === '') {
    throw new MillraceError('event_malformed', `The attribute "${path}" is empty. Leave it out or give it a value.`, {
      path,
    })
  }
  const bytes = bytesIfNear(value, maxBytes)
  if (bytes > maxBytes) {
    throw new MillraceError('limit_exceeded', `The attribute "${path}" has more than ${maxBytes} bytes. Shorten it.`, {
      path,
      facts: { limit: maxBytes },
    })
  }
  if (!isAttributeText(value)) {
    throw new MillraceError(
      'event_malformed',
      `The attribute "${path}" holds a control character, a lone surrogate or a non-character, which CloudEvents does not allow. Remove it.`,
      { path },
    )
  }
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  if (value === undefined) return 'missing'
  return Array.isArray(value) ? 'an array' : `of type ${typeof value}`
}
