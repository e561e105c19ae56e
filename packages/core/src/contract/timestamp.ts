import { MillraceError } from '../runtime/error.ts'

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/
const OURS = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/
const LAST_MS = 253_402_300_799_999
const FIRST_MS = -62_167_219_200_000

let lastMs = Number.NaN
let lastText = ''

/** The form that messages carry: RFC 3339, UTC, milliseconds. Throws `event_malformed` outside the years 0 to 9999. */
export function timestampOf(ms: number, path = 'timestamp'): string {
  if (ms === lastMs) return lastText
  if (!(ms >= FIRST_MS && ms <= LAST_MS)) {
    throw new MillraceError(
      'event_malformed',
      `"${path}" is not a time between the years 0 and 9999. Give a valid Date.`,
      { path },
    )
  }
  lastText = new Date(ms).toISOString()
  lastMs = ms
  return lastText
}

/**
 * A given time in the form that messages carry. Text must be RFC 3339 with a zone; parts of a millisecond are cut and a
 * leap second becomes the last millisecond before it. Throws `event_malformed` with the path.
 */
export function normalizeTimestamp(value: string | Date, path: string): string {
  if (typeof value !== 'string') return timestampOf(value instanceof Date ? value.getTime() : Number.NaN, path)
  if (value.length === 24 && OURS.test(value)) return value
  const parts = RFC_3339.exec(value)
  if (parts === null) throw malformed(path)
  const [, year = '', month = '', day = '', hour = '', minute = '', second = '', fraction = '', zone = 'Z'] = parts
  const leap = second === '60'
  const inRange =
    within(month, 1, 12) &&
    within(day, 1, daysIn(Number(year), Number(month))) &&
    within(hour, 0, 23) &&
    within(minute, 0, 59) &&
    within(second, 0, 60) &&
    (zone.length === 1 || (within(zone.slice(1, 3), 0, 23) && within(zone.slice(4), 0, 59)))
  if (!inRange) throw malformed(path)
  const ms = leap ? '.999' : fraction.slice(0, 4).padEnd(4, fraction === '' ? '.000' : '0')
  return timestampOf(
    Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${leap ? '59' : second}${ms}${zone.toUpperCase()}`),
    path,
  )
}

function within(text: string, least: number, most: number): boolean {
  const number = Number(text)
  return number >= least && number <= most
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

function malformed(path: string): MillraceError {
  return new MillraceError(
    'event_malformed',
    `"${path}" is not a time as RFC 3339 writes it. Use a form such as "2026-01-31T12:00:00.000Z", with the zone.`,
    { path },
  )
}
