import { Cron } from 'croner'
import { MillraceError } from '../runtime/error.ts'

/** A rule as it is stored: instants are milliseconds since the epoch. */
export type StoredRule =
  | { readonly cron: string; readonly timeZone: string }
  | { readonly every: number; readonly from: number }
  | { readonly at: number }

/** The end of what RFC 3339 can say. */
export const LAST_INSTANT: number = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/** The first instant of a rule after `after`; undefined when there is none. Pure. Throws `schedule_invalid` for a cron that cannot be read. */
export function nextInstant(rule: StoredRule, after: number): number | undefined {
  if ('at' in rule) return rule.at > after ? rule.at : undefined
  if ('every' in rule) {
    if (after < rule.from) return rule.from
    return rule.from + (Math.floor((after - rule.from) / rule.every) + 1) * rule.every
  }
  return cronOf(rule).nextRun(new Date(after))?.getTime()
}

/** The last instants of a rule from `since` to `until`, both included, at most `limit`, earliest first. Pure. */
export function lastInstants(
  rule: StoredRule,
  { since, until, limit }: { readonly since: number; readonly until: number; readonly limit: number },
): readonly number[] {
  if ('at' in rule) return rule.at >= since && rule.at <= until ? [rule.at] : []
  if ('every' in rule) {
    const instants: number[] = []
    const last = rule.from + Math.floor((until - rule.from) / rule.every) * rule.every
    for (let at = last; at >= since && at >= rule.from && instants.length < limit; at -= rule.every)
      instants.unshift(at)
    return instants
  }
  const previous = cronOf(rule).previousRuns(limit, new Date(until + 1_000))
  return previous
    .map((date) => date.getTime())
    .filter((at) => at >= since && at <= until)
    .toSorted((one, other) => one - other)
}

/**
 * A cron whose hour and minute have no star or step means times of the day: one that the clock skips runs at the first moment after the gap, one
 * that comes twice runs at the first of the two. A cron with a star or step means stretches of time and goes on through both.
 */
function cronOf({ cron, timeZone }: { readonly cron: string; readonly timeZone: string }): Cron {
  const key = `${timeZone} ${cron}`
  const known = crons.get(key)
  if (known !== undefined) return known
  if (crons.size >= MOST_CRONS) crons.clear()
  const made = parse(cron, timeZone)
  crons.set(key, made)
  return made
}

/** Reading an expression costs far more than finding its next instant. */
const crons = new Map<string, Cron>()
const MOST_CRONS = 20_000

function parse(cron: string, timeZone: string): Cron {
  if (cron.includes('?')) throw invalid(cron, 'has a "?", which stands for the moment of reading it. Use "*".')
  checkTimeZone(timeZone)
  try {
    return new Cron(cron, { timezone: timeZone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard', paused: true })
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error)
    throw invalid(cron, `cannot be read: ${reason}`)
  }
}

function checkTimeZone(timeZone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone })
  } catch {
    throw new MillraceError(
      'schedule_invalid',
      `The time zone ${JSON.stringify(timeZone.slice(0, 60))} is not known. Use a name such as "Europe/Berlin", or "UTC".`,
      { path: 'timeZone' },
    )
  }
}

function invalid(cron: string, what: string): MillraceError {
  return new MillraceError('schedule_invalid', `The cron ${JSON.stringify(cron.slice(0, 80))} ${what}`, {
    path: 'cron',
  })
}
