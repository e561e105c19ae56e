import type { Origin } from '../events.ts'
import type { Database } from '../read-models/database.ts'
import { hourOf } from '../read-models/time.ts'
import { KEPT_EVENTS, type Session } from './session.ts'

type Row = Record<string, unknown>

/** The session that a visitor has open. */
export function openSession(database: Database, visitor: string, origin: Origin): Session | undefined {
  const row = database
    .prepare('SELECT * FROM sessions WHERE visitor = ? AND origin = ? AND open = 1')
    .get(visitor, origin)
  return row === undefined ? undefined : sessionOf(row)
}

/**
 * Open sessions of which nothing was heard since `lastAt` (event time), and which nobody has touched since `untouched`
 * (our clock).
 */
export function dueSessions(
  database: Database,
  { origin, lastAt, untouched, limit }: { origin: Origin; lastAt: number; untouched: number; limit: number },
): readonly Session[] {
  return database
    .prepare('SELECT * FROM sessions WHERE open = 1 AND origin = ? AND last_at <= ? AND touched_at < ? LIMIT ?')
    .all(origin, lastAt, untouched, limit)
    .map(sessionOf)
}

/** When an open session of an origin was last touched, on our clock; 0 when there is none. */
export function lastTouched(database: Database, origin: Origin): number {
  const row = database.prepare('SELECT max(touched_at) AS at FROM sessions WHERE open = 1 AND origin = ?').get(origin)
  return Number(row?.['at'] ?? 0)
}

export function saveSession(database: Database, session: Session, { open, now }: { open: boolean; now: number }): void {
  database
    .prepare(
      `INSERT OR REPLACE INTO sessions (id, visitor, origin, correlation, open, started_at, last_at, entry, exit, referrer,
       events, pages, touched_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(
      session.id,
      session.visitor,
      session.origin,
      session.correlationId,
      open ? 1 : 0,
      session.startedAt,
      session.lastAt,
      session.entry,
      session.exit,
      session.referrer,
      session.events,
      session.pages,
      now,
    )
}

/** Keeps one event of a session; the caller minds the bound. */
export function keepEvent(
  database: Database,
  session: Session,
  { at, type, path }: { at: number; type: string; path: string },
): void {
  database
    .prepare('INSERT OR REPLACE INTO session_events (session, number, at, type, path) VALUES (?, ?, ?, ?, ?)')
    .run(session.id, session.events, at, type, path)
}

/** Adds an ended session to the totals that stay when the session itself is deleted. */
export function addToTotals(database: Database, session: Session): void {
  database
    .prepare(
      `INSERT INTO session_totals (origin, hour, sessions, pages, duration_ms, single_page, uncounted)
       VALUES (?, ?, 1, ?, ?, ?, ?)
       ON CONFLICT (origin, hour) DO UPDATE SET sessions = sessions + 1, pages = pages + excluded.pages,
       duration_ms = duration_ms + excluded.duration_ms, single_page = single_page + excluded.single_page,
       uncounted = uncounted + excluded.uncounted`,
    )
    .run(
      session.origin,
      hourOf(session.startedAt),
      session.pages,
      session.lastAt - session.startedAt,
      session.pages === 1 ? 1 : 0,
      uncounted(session),
    )
}

/** How many events of a session were counted and not kept. */
export function uncounted({ events }: Session): number {
  return Math.max(0, events - KEPT_EVENTS)
}

function sessionOf(row: Row): Session {
  return {
    id: String(row['id']),
    visitor: String(row['visitor']),
    origin: String(row['origin']) as Origin,
    correlationId: String(row['correlation']),
    startedAt: Number(row['started_at']),
    lastAt: Number(row['last_at']),
    entry: String(row['entry']),
    exit: String(row['exit']),
    referrer: String(row['referrer']),
    events: Number(row['events']),
    pages: Number(row['pages']),
  }
}
