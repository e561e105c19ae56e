import type { SupervisorEvent } from '@millrace/worker'
import type { Tally } from './tally.ts'

/** When what happened, in milliseconds of the clock that all processes share, and tasks a second after the step. */
export interface Moments {
  readonly stepAt: number
  readonly killAt: number
  readonly downAt: number
  readonly endAt: number
  readonly rate: number
}

/** Slots that the supervisor wants, and processes that are up, at a moment. */
export interface ScaleSeen {
  readonly at: number
  readonly slots: number
  readonly up: readonly (number | undefined)[]
}

export type SupervisorMoment = SupervisorEvent & { readonly at: number }

export interface Supervision {
  readonly tally: Tally
  /** When each task came, by its number. */
  readonly cameAt: readonly number[]
  /** Tasks that may not have been stored. */
  readonly failed: ReadonlySet<number>
  readonly events: readonly SupervisorMoment[]
  readonly seen: readonly ScaleSeen[]
  readonly moments: Moments
}

/** Seconds, shares in percent and counts by their names. */
export interface SupervisionFigures {
  /** After the step, until no task that begins has waited for longer than is fine. */
  readonly followedS: number
  /** After the step, until as many tasks end in a second as come. */
  readonly paceS: number
  readonly longestWaitS: number
  /** Of the slots, while the rate is the tenfold one, from 15 s after the step on; and in the last third of that. */
  readonly busy: number
  readonly busyAtRest: number
  /** Changes of the scale after the step; of these in the last third; and after the step back. */
  readonly changes: number
  readonly changesAtRest: number
  readonly changesBack: number
  /** After the kill, until the last task has begun again that the killed process had. */
  readonly againS: number
  readonly ranTwice: number
  /** From the start of a process until it has reported to the supervisor; the median. */
  readonly startS: number
  /** Calls of enqueue that failed. */
  readonly refused: number
}

/** A wait that is fine: the default of the supervisor. */
const FINE_WAIT_MS = 1_000
const FOLLOWS_WITHIN_MS = 15_000
/** Chance alone makes fewer tasks end in a second. */
const PACE_SHARE = 0.95
const REST_SHARE = 1 / 3

/** Throws when a task has not been done. */
export function supervisionFigures(supervision: Supervision): SupervisionFigures {
  const { tally, cameAt, failed, events, moments } = supervision
  const { stepAt, killAt, downAt, endAt } = moments
  const done = new Set([...tally.ended.map(({ n }) => n), ...failed])
  if (done.size < cameAt.length)
    throw new Error(`${cameAt.length - done.size} of ${cameAt.length} tasks were not done.`)
  const restAt = killAt - (killAt - stepAt) * REST_SHARE
  const waits = tally.begun
    .filter(({ at }) => at >= stepAt && at < killAt)
    .map(({ n, at }) => ({ at, waitMs: at - (cameAt[n] ?? at) }))
  const late = waits.filter(({ waitMs }) => waitMs > FINE_WAIT_MS)
  const changes = (from: number, until: number): number =>
    events.filter(({ kind, at }) => kind === 'scaled' && at >= from && at < until).length
  return {
    followedS: late.reduce((last, { at }) => Math.max(last, at - stepAt), 0) / 1_000,
    paceS: secondsUntilPace(supervision),
    longestWaitS: waits.reduce((longest, { waitMs }) => Math.max(longest, waitMs), 0) / 1_000,
    busy: busyShare(supervision, stepAt + FOLLOWS_WITHIN_MS, killAt),
    busyAtRest: busyShare(supervision, restAt, killAt),
    changes: changes(stepAt, killAt),
    changesAtRest: changes(restAt, killAt),
    changesBack: changes(downAt, endAt),
    ...afterKill(supervision),
    startS: startSeconds(supervision),
    refused: failed.size,
  }
}

function secondsUntilPace({ tally, moments: { stepAt, killAt, rate } }: Supervision): number {
  const ends = Array.from({ length: Math.floor((killAt - stepAt) / 1_000) }, () => 0)
  for (const { at } of tally.ended) {
    const second = Math.floor((at - stepAt) / 1_000)
    if (second >= 0 && second < ends.length) ends[second] = (ends[second] ?? 0) + 1
  }
  const first = ends.findIndex((count) => count >= rate * PACE_SHARE)
  return first === -1 ? Number.POSITIVE_INFINITY : first + 1
}

/** The time for which handlers ran, of that for which there were slots, wanted ones that were still to come among them. */
function busyShare({ tally, seen }: Supervision, from: number, until: number): number {
  const within = ({ at }: { readonly at: number }): boolean => at >= from && at < until
  const busyMs = tally.ended.filter(within).reduce((sum, { tookMs }) => sum + tookMs, 0)
  const slots = seen.filter(within)
  const mean = slots.reduce((sum, each) => sum + each.slots, 0) / slots.length
  return (busyMs / (mean * (until - from))) * 100
}

function afterKill({
  tally,
  cameAt,
  moments: { killAt },
}: Supervision): Pick<SupervisionFigures, 'againS' | 'ranTwice'> {
  const begins = new Map<number, number>()
  for (const { n } of tally.begun) begins.set(n, (begins.get(n) ?? 0) + 1)
  const again = tally.begun.filter(({ n, at }) => at > killAt && (cameAt[n] ?? at) < killAt)
  return {
    againS: again.reduce((last, { at }) => Math.max(last, at - killAt), 0) / 1_000,
    ranTwice: [...begins.values()].filter((count) => count > 1).length,
  }
}

function startSeconds({ events, seen }: Supervision): number {
  const times = events.flatMap((event) => {
    const up = event.kind === 'started' ? seen.find((each) => each.up.includes(event.pid)) : undefined
    return up === undefined ? [] : [up.at - event.at]
  })
  return (times.toSorted((one, other) => one - other)[Math.floor(times.length / 2)] ?? Number.NaN) / 1_000
}
