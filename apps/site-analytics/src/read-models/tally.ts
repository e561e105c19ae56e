import type { Origin } from '../events.ts'
import type { Database } from './database.ts'
import { hourOf, minuteOf } from './time.ts'

/** What is counted by name and hour. */
export type TallySubject =
  | 'page'
  | 'referrer'
  | 'failure'
  | 'resource'
  | 'outbound'
  | 'crawler'
  | 'scroll'
  | 'new-visitor'

/** What is counted by minute. */
export type MinuteColumn = 'pages' | 'failures' | 'requests' | 'crawlers' | 'resources'

/** Different names that one subject may have in one hour; further ones are counted together. */
const NAMES_AN_HOUR = 2_000
export const OTHER = '(other)'

const MINUTE_SQL = Object.fromEntries(
  (['pages', 'failures', 'requests', 'crawlers', 'resources'] as const).map((column) => [
    column,
    `INSERT INTO minutes (origin, minute, ${column}) VALUES (?, ?, 1)
     ON CONFLICT (origin, minute) DO UPDATE SET ${column} = ${column} + 1`,
  ]),
) as Readonly<Record<MinuteColumn, string>>

/** Adds one to a count of the event's minute. */
export function countMinute(database: Database, column: MinuteColumn, origin: Origin, at: number): void {
  database.prepare(MINUTE_SQL[column]).run(origin, minuteOf(at))
}

/** Adds one to a name of the event's hour, and to its failures when it is one. */
export function countName(
  database: Database,
  subject: TallySubject,
  { origin, at, name, failed = false }: { origin: Origin; at: number; name: string; failed?: boolean },
): void {
  const key = [subject, origin, hourOf(at)] as const
  const plus = failed ? 1 : 0
  if (add(database, key, name, plus)) return
  const isFull = namesOf(database, key) >= NAMES_AN_HOUR
  if (isFull && add(database, key, OTHER, plus)) return
  database
    .prepare('INSERT INTO tallies (subject, origin, hour, name, count, failed) VALUES (?, ?, ?, ?, 1, ?)')
    .run(...key, isFull ? OTHER : name, plus)
}

type TallyKey = readonly [subject: TallySubject, origin: Origin, hour: number]

function add(database: Database, key: TallyKey, name: string, failed: number): boolean {
  const sql = `UPDATE tallies SET count = count + 1, failed = failed + ?
    WHERE subject = ? AND origin = ? AND hour = ? AND name = ?`
  return database.prepare(sql).run(failed, ...key, name).changes === 1
}

function namesOf(database: Database, key: TallyKey): number {
  const sql = 'SELECT count(*) AS n FROM tallies WHERE subject = ? AND origin = ? AND hour = ?'
  return Number(database.prepare(sql).get(...key)?.['n'] ?? 0)
}
