import { wrongUse } from '../failure.ts'

const RFC_3339 = /^\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d{2}:\d{2}))?$/
const AGO = /^(\d{1,9})(s|m|min|h|d|w)$/
const UNIT_MS: Readonly<Record<string, number>> = { s: 1e3, m: 6e4, min: 6e4, h: 36e5, d: 864e5, w: 6048e5 }

/** How the help describes what `parseMoment` takes. */
export const MOMENT_FORMS = '2026-11-21T08:30:00Z, 2026-11-21 (UTC), or an age such as 15m, 2h, 3d'

/** A time, or undefined when the text does not look like one. Throws `request_invalid` for a date that does not exist. */
export function parseMoment(text: string, now: number = Date.now()): Date | undefined {
  const ago = AGO.exec(text)
  if (ago !== null) return new Date(now - Number(ago[1]) * (UNIT_MS[ago[2] ?? ''] ?? Number.NaN))
  if (!RFC_3339.test(text)) return undefined
  const time = new Date(text.length === 10 ? `${text}T00:00:00Z` : text.replace(' ', 'T'))
  // JavaScript takes 30 February for 1 March.
  const day = Number(text.slice(8, 10))
  const exists =
    !Number.isNaN(time.getTime()) &&
    day <= new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate()
  if (!exists) throw wrongUse(`The time ${text} does not exist.`)
  return time
}

/** A time for an option that takes nothing else. Throws `request_invalid`. */
export function moment(text: string, option: string): Date {
  const time = parseMoment(text)
  if (time === undefined) throw wrongUse(`${option} ${JSON.stringify(text)} is no time. Write ${MOMENT_FORMS}.`)
  return time
}

/** A time that is still to come: an age is none. Throws `request_invalid`. */
export function momentAhead(text: string, option: string): Date {
  if (AGO.test(text))
    throw wrongUse(`${option} ${text} is an age, and means what is over. Write a time such as 2026-11-21T08:30:00Z.`)
  return moment(text, option)
}

/** Where reading begins: the beginning, the end, a time, or else a cursor, which the engine judges. */
export function startOf(text: string): 'earliest' | 'latest' | Date | { readonly cursor: string } {
  if (text === 'earliest' || text === 'latest') return text
  return parseMoment(text) ?? { cursor: text }
}
