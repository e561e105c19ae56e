import type { Origin } from '../events.ts'

/** Silence that ends a session, by event time. */
export const SILENCE_MS = 30 * 60_000
/** Events of one session that are kept one by one; the rest is only counted. */
export const KEPT_EVENTS = 1_000

/** A visit so far. Times are event times, in milliseconds since the epoch. */
export interface Session {
  readonly id: string
  readonly visitor: string
  readonly origin: Origin
  /** The flow of the page view that began it. */
  readonly correlationId: string
  readonly startedAt: number
  readonly lastAt: number
  readonly entry: string
  readonly exit: string
  readonly referrer: string
  readonly events: number
  readonly pages: number
}

/** Something that a visitor did. */
export interface Activity {
  /** Becomes the id of the session that begins with it. */
  readonly sessionId: string
  readonly visitor: string
  readonly origin: Origin
  readonly correlationId: string
  readonly at: number
  readonly path: string
  /** Given for page views, and only they begin a session. */
  readonly referrer?: string
}

/** What an activity did to a visitor's sessions. */
export interface Step {
  readonly open: Session | undefined
  readonly started: Session | undefined
  readonly ended: Session | undefined
  /** `joined` a session, came `late` for one that had ended, or fell `outside` because no page view came before it. */
  readonly outcome: 'joined' | 'late' | 'outside'
  /** Whether the activity itself is to be kept, as number `open.events` of the session. */
  readonly kept: boolean
}

/** Takes one activity in. Activities of a visitor may be somewhat out of order, as they are in real logs. */
export function takeActivity(open: Session | undefined, activity: Activity): Step {
  if (open !== undefined && activity.at <= open.startedAt - SILENCE_MS) {
    return { open, started: undefined, ended: undefined, outcome: 'late', kept: false }
  }
  if (open !== undefined && activity.at < open.lastAt + SILENCE_MS) {
    const joined = join(open, activity)
    return { open: joined, started: undefined, ended: undefined, outcome: 'joined', kept: joined.events <= KEPT_EVENTS }
  }
  const started = begin(activity)
  if (started === undefined) return { open: undefined, started, ended: open, outcome: 'outside', kept: false }
  return { open: started, started, ended: open, outcome: 'joined', kept: true }
}

/** Whether silence has ended a session at a time. */
export function isOver({ lastAt }: Pick<Session, 'lastAt'>, now: number): boolean {
  return lastAt + SILENCE_MS <= now
}

function begin({ sessionId, at, path, referrer, ...rest }: Activity): Session | undefined {
  if (referrer === undefined) return undefined
  const { visitor, origin, correlationId } = rest
  return {
    id: sessionId,
    visitor,
    origin,
    correlationId,
    startedAt: at,
    lastAt: at,
    entry: path,
    exit: path,
    referrer,
    events: 1,
    pages: 1,
  }
}

function join(session: Session, { at, path, referrer }: Activity): Session {
  const isPage = referrer !== undefined
  return {
    ...session,
    startedAt: Math.min(session.startedAt, at),
    lastAt: Math.max(session.lastAt, at),
    entry: isPage && at < session.startedAt ? path : session.entry,
    exit: isPage && at >= session.lastAt ? path : session.exit,
    events: session.events + 1,
    pages: session.pages + (isPage ? 1 : 0),
  }
}
