import fc from 'fast-check'
import { expect, it } from 'vitest'
import { isOver, KEPT_EVENTS, SILENCE_MS, takeActivity, type Activity, type Session } from '../src/sessions/session.ts'

function activity(at: number, over: Partial<Activity> = {}): Activity {
  return {
    sessionId: `s${at}`,
    visitor: 'v',
    origin: 'web',
    correlationId: `c${at}`,
    at,
    path: `/${at}`,
    referrer: 'direct',
    ...over,
  }
}

/** Something that is no page view. */
function noPage(at: number): Activity {
  const { referrer, ...rest } = activity(at)
  expect(referrer).toBe('direct')
  return rest
}

/** Runs activities through and ends what is open, as the sweep does. */
function run(activities: readonly Activity[]): {
  readonly ended: readonly Session[]
  readonly started: number
  readonly late: number
  readonly outside: number
  readonly kept: number
} {
  let open: Session | undefined
  const ended: Session[] = []
  let [started, late, outside, kept] = [0, 0, 0, 0]
  for (const each of activities) {
    const step = takeActivity(open, each)
    open = step.open
    if (step.ended !== undefined) ended.push(step.ended)
    if (step.started !== undefined) started += 1
    if (step.outcome === 'late') late += 1
    if (step.outcome === 'outside') outside += 1
    if (step.kept) kept += 1
  }
  if (open !== undefined) ended.push(open)
  return { ended, started, late, outside, kept }
}

const MINUTE = 60_000

it('keeps what comes within 30 minutes together and begins anew at exactly 30', () => {
  const { ended } = run([activity(0), activity(29 * MINUTE), activity(58 * MINUTE), activity(88 * MINUTE)])
  expect(ended.map(({ startedAt, lastAt, pages }) => [startedAt, lastAt, pages])).toEqual([
    [0, 58 * MINUTE, 3],
    [88 * MINUTE, 88 * MINUTE, 1],
  ])
  expect(isOver({ lastAt: 0 }, SILENCE_MS - 1)).toBe(false)
  expect(isOver({ lastAt: 0 }, SILENCE_MS)).toBe(true)
})

it('lets only a page view begin a session', () => {
  const click = noPage(1)
  const { ended, outside } = run([click, activity(2), { ...click, at: 3 }])
  expect(outside).toBe(1)
  expect(ended).toMatchObject([{ entry: '/2', exit: '/2', events: 2, pages: 1 }])
})

it('puts entry and exit right when lines of a log are out of order', () => {
  const { ended } = run([activity(50_000), activity(10_000), activity(90_000), activity(70_000)])
  expect(ended).toMatchObject([{ entry: '/10000', exit: '/90000', startedAt: 10_000, lastAt: 90_000, pages: 4 }])
})

it('keeps 1,000 events of a session and counts the rest', () => {
  const { ended, kept } = run(Array.from({ length: 1_500 }, (_, index) => activity(index * 1_000)))
  expect(kept).toBe(KEPT_EVENTS)
  expect(ended).toMatchObject([{ events: 1_500 }])
})

const activities = fc.array(
  fc
    .tuple(fc.integer({ min: 0, max: 6 * 60 * MINUTE }), fc.boolean())
    .map(([at, isPage]) => (isPage ? activity(at) : noPage(at))),
  { maxLength: 60 },
)

it('loses no activity and invents none, in any order', () => {
  fc.assert(
    fc.property(activities, (list) => {
      const { ended, started, late, outside } = run(list)
      const inSessions = ended.reduce((sum, { events }) => sum + events, 0)
      expect(inSessions + late + outside).toBe(list.length)
      expect(started).toBe(ended.length)
      for (const session of ended) {
        expect(session.pages).toBeGreaterThan(0)
        expect(session.events).toBeGreaterThanOrEqual(session.pages)
        expect(session.lastAt).toBeGreaterThanOrEqual(session.startedAt)
      }
    }),
  )
})

it('gives, of page views in order, sessions that are silent for 30 minutes between and never within', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 6 * 60 * MINUTE }), { minLength: 1, maxLength: 60 }), (times) => {
      const sorted = [...times].sort((a, b) => a - b)
      const { ended, late } = run(sorted.map((at) => activity(at)))
      // Written down independently: a gap of 30 minutes or more is a new session.
      const gaps = sorted.filter((at, index) => index > 0 && at - (sorted[index - 1] ?? 0) >= SILENCE_MS).length
      expect(late).toBe(0)
      expect(ended.length).toBe(gaps + 1)
      expect(ended.reduce((sum, { pages }) => sum + pages, 0)).toBe(times.length)
    }),
  )
})
