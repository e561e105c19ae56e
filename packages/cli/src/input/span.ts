import { InvalidArgumentError } from 'commander'

const SPAN = /^(\d{1,9})(ms|s|m|min|h|d|w)$/
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 6e4, min: 6e4, h: 36e5, d: 864e5, w: 6048e5 }

/** A span of time in milliseconds: `500ms`, `15s`, `10m`, `2h`, `3d`; undefined when the text is none. */
export function parseSpan(text: string): number | undefined {
  const match = SPAN.exec(text)
  return match === null ? undefined : Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? Number.NaN)
}

/** A span of time, for an option that takes nothing else. */
export function span(text: string): number {
  const milliseconds = parseSpan(text)
  if (milliseconds !== undefined) return milliseconds
  throw new InvalidArgumentError('It must be a span of time, such as 500ms, 15s, 10m, 2h or 3d.')
}
