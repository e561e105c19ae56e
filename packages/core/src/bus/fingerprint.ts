import { murmur2 } from '../driver/murmur2.ts'

const encoder = new TextEncoder()

/**
 * A short name for equal failures: over the code, the message with its numbers, ids and quoted parts taken out, and the place of the
 * throw (the first line of the stack that is a place, without line numbers of the rest).
 */
export function fingerprintOf(failure: {
  readonly code: string
  readonly message: string
  readonly stack: string | undefined
}): string {
  const text = encoder.encode(`${failure.code}\n${normalise(failure.message)}\n${placeOf(failure.stack)}`)
  const first = murmur2(text) >>> 0
  const second = murmur2(encoder.encode(`${first}\n${normalise(failure.message)}`)) >>> 0
  return first.toString(16).padStart(8, '0') + second.toString(16).padStart(8, '0')
}

function normalise(message: string): string {
  return message
    .slice(0, 500)
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, '#')
    .replace(/"[^"]{0,200}"|'[^']{0,200}'/g, '#')
    .replace(/\d+/g, '#')
}

function placeOf(stack: string | undefined): string {
  const line = stack?.split('\n').find((candidate) => /^\s+at /.test(candidate))
  return line === undefined ? '' : line.trim().replace(/:\d+:\d+\)?$/, '')
}
