import type { EventOf, Millrace, Runtime, Subscription } from '@millrace/core'
import { deterministicId, timeOfId } from '../deterministic-id.ts'
import {
  LinkClicked,
  PageViewed,
  PerformanceMeasured,
  RequestFailed,
  ScrollMeasured,
  SessionEnded,
  SessionStarted,
  VisitorIdentified,
  ORIGINS,
} from '../events.ts'
import type { Database } from '../read-models/database.ts'
import type { GroupCommit } from '../read-models/group-commit.ts'
import { firstTime } from '../read-models/once.ts'
import type { Outbox } from '../read-models/outbox.ts'
import { isOver, SILENCE_MS, takeActivity, type Session } from './session.ts'
import {
  addToTotals,
  dueSessions,
  keepEvent,
  lastTouched,
  openSession,
  saveSession,
  uncounted,
} from './session-table.ts'

export const SESSIONS_GROUP = 'site-analytics.sessions'

/** Turns what visitors do into sessions, and tells of their beginnings and ends. */
export interface Sessions {
  readonly subscription: Subscription
  /** Ends sessions whose silence is long enough at `now` and returns how many; nothing is ended while events wait. */
  sweep(now: number): Promise<number>
}

export interface SessionServices {
  readonly millrace: Millrace
  readonly runtime: Runtime
  readonly database: Database
  readonly commit: GroupCommit
  readonly outbox: Outbox
}

const ACTIVITIES = [
  PageViewed,
  LinkClicked,
  ScrollMeasured,
  PerformanceMeasured,
  RequestFailed,
  VisitorIdentified,
] as const

type ActivityEvent = EventOf<(typeof ACTIVITIES)[number]>

const SOURCE = '/site-analytics/sessions'
/** A session that was touched this recently may be about to get more: its events can be late on our clock, not on theirs. */
const SETTLING_MS = 10_000
const SWEEP_LIMIT = 5_000

/** Subscribes, in a durable group of its own. */
export async function subscribeSessions(services: SessionServices): Promise<Sessions> {
  const { millrace, commit, outbox } = services
  const subscription = await millrace.subscribe(
    ACTIVITIES,
    async (event) => {
      const publishes = await commit.run(() => take(event, services))
      if (publishes) outbox.drain()
    },
    { group: SESSIONS_GROUP, from: 'earliest', concurrency: 256 },
  )
  return { subscription, sweep: (now) => sweep(now, services) }
}

/** Inside a transaction: applies an event once. Returns whether something is to be published. */
function take(event: ActivityEvent, { database, outbox, runtime }: SessionServices): boolean {
  const now = runtime.now()
  if (!firstTime(database, SESSIONS_GROUP, event, now)) return false
  const { visitor, origin, path } = event.data
  const at = Date.parse(event.timestamp)
  const before = openSession(database, visitor, origin)
  const { open, started, ended, kept } = takeActivity(before, {
    sessionId: deterministicId(at, 'session', event.source, event.id),
    visitor,
    origin,
    path,
    at,
    correlationId: event.metadata.correlationId,
    ...(event.type === 'page.viewed' ? { referrer: event.data.referrer } : {}),
  })
  if (ended !== undefined) end(database, outbox, ended, now)
  if (open !== undefined && open !== before) saveSession(database, open, { open: true, now })
  if (open !== undefined && kept) keepEvent(database, open, { at, type: event.type, path })
  if (started !== undefined) outbox.add(startedEvent(started, event.id))
  return started !== undefined || ended !== undefined
}

async function sweep(now: number, { millrace, database, commit, outbox }: SessionServices): Promise<number> {
  const status = (await millrace.groups()).find(({ group }) => group === SESSIONS_GROUP)
  // What waits may belong to a session that looks silent.
  if (status === undefined || status.lag > 0) return 0
  const count = await commit.run(() => {
    let ended = 0
    for (const origin of ORIGINS) {
      // An import is over for all of its visitors or for none: while it runs, silence of one says nothing.
      if (origin === 'log' && lastTouched(database, 'log') >= now - SETTLING_MS) continue
      const due = { origin, lastAt: now - SILENCE_MS, untouched: now - SETTLING_MS, limit: SWEEP_LIMIT }
      for (const session of dueSessions(database, due)) {
        if (!isOver(session, now)) continue
        end(database, outbox, session, now)
        ended += 1
      }
    }
    return ended
  })
  if (count > 0) outbox.drain()
  return count
}

function end(database: Database, outbox: Outbox, session: Session, now: number): void {
  saveSession(database, session, { open: false, now })
  addToTotals(database, session)
  outbox.add(endedEvent(session))
}

function startedEvent(session: Session, causationId: string): EventOf<typeof SessionStarted> {
  const { id, visitor, origin, entry, referrer, correlationId, startedAt } = session
  return SessionStarted.create(
    { visitor, origin, session: id, entry, referrer },
    {
      id: startedId(id),
      source: SOURCE,
      timestamp: new Date(startedAt),
      correlationId,
      causationId,
      sessionId: id,
    },
  )
}

function endedEvent(session: Session): EventOf<typeof SessionEnded> {
  const { id, visitor, origin, entry, exit, events, pages, correlationId, startedAt, lastAt } = session
  return SessionEnded.create(
    {
      visitor,
      origin,
      session: id,
      entry,
      exit,
      events,
      pages,
      uncounted: uncounted(session),
      durationMs: lastAt - startedAt,
    },
    {
      id: deterministicId(lastAt, 'session.ended', id),
      source: SOURCE,
      timestamp: new Date(lastAt),
      correlationId,
      causationId: startedId(id),
      sessionId: id,
    },
  )
}

/** The session's own id holds when it began; late events may move `startedAt` afterwards. */
function startedId(session: string): string {
  return deterministicId(timeOfId(session), 'session.started', session)
}
