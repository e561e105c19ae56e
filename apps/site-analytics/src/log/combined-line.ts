/** One request of an Apache or Nginx log in the combined (or the older common) format. */
export interface LogRequest {
  readonly address: string
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly method: string
  /** As it was asked for, query included. */
  readonly target: string
  readonly status: number
  readonly referrer: string | undefined
  /** Undefined where the format has none. */
  readonly userAgent: string | undefined
}

/** Longer lines are no requests that anybody answered. */
export const LONGEST_LINE = 64 * 1024

const QUOTED = String.raw`"((?:[^"\\]|\\.)*)"`
const LINE = new RegExp(
  String.raw`^(\S{1,255}) \S{1,255} [^\[]{1,255} \[([^\]]{1,40})\] ${QUOTED} (\d{3}) (?:\d{1,20}|-)(?: ${QUOTED} ${QUOTED})?\s*$`,
)
const TIME = /^(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})$/
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const REQUEST = /^([A-Z]{1,20}) (\S+)(?: HTTP\/\d(?:\.\d)?)?$/
// oxlint-disable-next-line no-control-regex -- control characters are what makes a line binary
const BINARY = /[\0-\x08\x0b-\x1f\x7f\ufffd]/
/** No web server wrote a log before this. */
const FIRST_YEAR = 1993
const DAY_MS = 24 * 60 * 60_000

/** Reads a line, or says why it is none; reasons hold no values, so that equal faults are one group. */
export function readCombinedLine(line: string, now: number): LogRequest | { readonly reason: string } {
  if (line.trim() === '') return { reason: 'The line is empty' }
  if (line.length > LONGEST_LINE) return { reason: 'The line is longer than 64 KiB' }
  if (BINARY.test(line)) return { reason: 'The line holds binary data' }
  const match = LINE.exec(line)
  if (match === null) return { reason: 'The line is not in the combined format' }
  const [, address = '', stamp = '', request = '', status = '', referrer, userAgent] = match
  const time = timeOf(stamp)
  if (time === undefined || time > now + DAY_MS) return { reason: 'The time is not a time that was' }
  const [, method, target = ''] = REQUEST.exec(request) ?? []
  const path = target.startsWith('/') ? target : withoutHost(target)
  if (method === undefined || path === undefined) return { reason: 'The request is not an HTTP request' }
  const code = Number(status)
  if (code < 100 || code > 599) return { reason: 'The status is not an HTTP status' }
  return { address, time, method, target: path, status: code, referrer, userAgent }
}

function timeOf(stamp: string): number | undefined {
  const match = TIME.exec(stamp)
  if (match === null) return undefined
  const [, day = '', monthName = '', year = '', hour = '', minute = '', second = '', sign = '', offH = '', offM = ''] =
    match
  const month = MONTHS.indexOf(monthName)
  const fits =
    Number(hour) < 24 && Number(minute) < 60 && Number(second) <= 60 && Number(offH) <= 14 && Number(offM) < 60
  if (month < 0 || Number(year) < FIRST_YEAR || !fits) return undefined
  const midnight = Date.UTC(Number(year), month, Number(day))
  // The 31st of February would become a day of March.
  if (new Date(midnight).getUTCDate() !== Number(day)) return undefined
  const local = midnight + ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1_000
  const offset = (Number(offH) * 60 + Number(offM)) * 60_000
  return sign === '+' ? local - offset : local + offset
}

/** Proxies log whole addresses. */
function withoutHost(target: string): string | undefined {
  if (!/^https?:\/\//i.test(target) || !URL.canParse(target)) return undefined
  const { pathname, search } = new URL(target)
  return pathname + search
}
