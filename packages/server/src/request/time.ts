import { MillraceError } from '@millrace/core'

const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/

/** Whether a text looks like a time rather than a cursor. */
export function looksLikeTime(text: string): boolean {
  return RFC_3339.test(text)
}

/** Parses RFC 3339, zone included. Throws `request_invalid` with the path. */
export function timeOf(text: string, path: string): Date {
  const time = new Date(RFC_3339.test(text) && dayExists(text) ? text : Number.NaN)
  if (Number.isNaN(time.getTime())) {
    throw new MillraceError(
      'request_invalid',
      `${path} must be a time that exists, with its zone, such as 2026-11-21T08:30:00Z.`,
      {
        path,
      },
    )
  }
  return time
}

/** JavaScript takes 30 February for 2 March. */
function dayExists(text: string): boolean {
  const [year, month, day] = [text.slice(0, 4), text.slice(5, 7), text.slice(8, 10)].map(Number)
  return (day ?? 0) <= new Date(Date.UTC(year ?? 0, month ?? 0, 0)).getUTCDate()
}
