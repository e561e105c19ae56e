/** What is known of the work and of those who do it, at one moment. A slot is room for one task. */
export interface ScaleSample {
  /** Of a clock that never goes back, in milliseconds. */
  readonly atMs: number
  /** Slots that take work now. */
  readonly slots: number
  /** Slots that are busy. */
  readonly busy: number
  /** Tasks that are ready and wait. */
  readonly backlog: number
  /** How long what has waited longest has waited, in milliseconds. */
  readonly waitMs: number
  /** How many tasks have ended so far, of those who are counted in `slots`; undefined where nobody knows. */
  readonly done: number | undefined
  /** Milliseconds that those took, all together; undefined where nobody knows. */
  readonly tookMs?: number | undefined
}

/** What is wanted of the scaling. */
export interface ScaleTargets {
  readonly min: number
  readonly max: number
  /** A wait that is fine: several times what a task takes, or chance alone makes the slots grow. Default 1,000. */
  readonly maxWaitMs?: number
  /** How busy the slots should be, in (0, 1]. Default 0.9; slots are taken away below 0.95 of it. */
  readonly utilisation?: number
  /** The most that the slots grow by at once. Default 3. */
  readonly growFactor?: number
  /** Milliseconds between two growths. Default 1,000. */
  readonly growEveryMs?: number
  /** Milliseconds for which fewer slots must have been enough before they are taken away. Default 30,000. */
  readonly shrinkAfterMs?: number
  /** Milliseconds within which a backlog should be worked off; after twice as many without one, the slots that only it needed are taken away. Default 5,000. */
  readonly drainMs?: number
}

/** What the decision remembers; plain data. */
export interface ScaleState {
  readonly wanted: number
  /** When the wish changed last. */
  readonly changedAtMs: number
  /** When slots were taken away last, how many there were, and the patience of then; undefined when another load has come since. */
  readonly shrunk: { readonly atMs: number; readonly from: number; readonly patience: number } | undefined
  /** Whether some of the slots may be there to work off a backlog, or what came after a standstill, and not for what comes on the average. */
  readonly isDraining: boolean
  /** Since when nothing has waited for too long. */
  readonly calmSinceMs: number
  /** How many times longer than it should a shrinking waits, because one before was taken back soon. */
  readonly patience: number
  /** Busy slots, smoothed. */
  readonly busy: number
  /** Busy slots over the time that a shrinking looks back on. */
  readonly past: readonly { readonly atMs: number; readonly busy: number }[]
  readonly samples: readonly ScaleSample[]
}

export interface ScalePlan {
  /** How many slots there should be. */
  readonly wanted: number
  readonly reason: 'steady' | 'growing' | 'shrinking' | 'at-most' | 'settling'
  readonly state: ScaleState
}

const SMOOTH_MS = 3_000
const RATE_MS = 3_000
const ARRIVED_SHARE = 0.9
const ARRIVES_WITHIN_MS = 15_000
const SHRINK_SHARE = 0.95
const SEEN_SHARE = 0.9
/** Busy slots below this share of their mean: the load still falls. */
const FALLING_SHARE = 0.8
const REGRET_SHARE = 4
/** Slots above this share of those before the shrinking: the load is another, and the shrinking was right. */
const OTHER_LOAD_SHARE = 1.5
const MOST_PATIENCE = 8
const LEAST_GROWTH = 1.25
/** Without a backlog for so many times as long as it takes to work one off, it is over. */
const CALM_SHARE = 2
/** The last of them, which say most about a load that has just changed. */
const RECENT_SAMPLES = 2

/**
 * Decides how many slots are wanted. Pure: give it the state of the plan before, undefined at first.
 *
 * Grows when tasks wait for longer than is fine, or when what comes now will: to what the arrivals need by Little's law (slots = arrivals a second x seconds a
 * task), and what the backlog needs to be worked off in time; never by more than the wait is too long. Where the ends are not counted, that is guessed from the
 * wait, and not again before the slots of the last guess have come. What was for the backlog goes when nothing has waited for too long for twice `drainMs`. Shrinks else after
 * `shrinkAfterMs`, to what was busy in the busier half of that on the average, and only if that takes a twentieth or more away and the load does not fall any more:
 * with a band in which nothing happens, one slow direction, and more patience after each shrinking that was wrong, a steady load comes to rest.
 */
export function planScale(before: ScaleState | undefined, sample: ScaleSample, targets: ScaleTargets): ScalePlan {
  const { min, max, maxWaitMs = 1_000, growEveryMs = 1_000, shrinkAfterMs = 30_000, drainMs = 5_000 } = targets
  const { utilisation = 0.9 } = targets
  const { atMs } = sample
  const bounded = (slots: number): number => Math.min(max, Math.max(min, slots))
  const wantedBefore = bounded(before?.wanted ?? sample.slots)
  const samples = [...(before?.samples ?? []), sample].filter((each) => each.atMs >= atMs - RATE_MS)
  const waitMs = Math.max(sample.waitMs, comingWaitMs(sample, samples))
  const isLate = sample.backlog > 0 && (waitMs > maxWaitMs || sample.slots === 0)
  const state: ScaleState = {
    wanted: wantedBefore,
    changedAtMs: before?.changedAtMs ?? atMs,
    shrunk: before?.shrunk,
    isDraining: before?.isDraining ?? false,
    calmSinceMs: isLate ? atMs : (before?.calmSinceMs ?? atMs),
    patience: before?.patience ?? 1,
    busy: smoothed(before, sample),
    past: [...(before?.past ?? []), { atMs, busy: sample.busy }].filter((each) => each.atMs >= atMs - shrinkAfterMs),
    samples,
  }
  const { changedAtMs, patience, past } = state
  const stay = (reason: ScalePlan['reason']): ScalePlan => ({ wanted: wantedBefore, reason, state })

  if (isLate) {
    const hasArrived =
      sample.slots >= wantedBefore * ARRIVED_SHARE || atMs - changedAtMs >= ARRIVES_WITHIN_MS || before === undefined
    const { need, isKnown } = needOf(state, waitMs / maxWaitMs, targets)
    const goal = bounded(Math.max(need, wantedBefore))
    if (goal === wantedBefore) return stay(wantedBefore === max ? 'at-most' : 'settling')
    // What was only guessed must first be seen to be too little.
    if ((!hasArrived && !isKnown) || (before !== undefined && atMs - changedAtMs < growEveryMs)) return stay('settling')
    return {
      wanted: goal,
      reason: 'growing',
      state: { ...state, ...regret(state, goal, shrinkAfterMs), wanted: goal, changedAtMs: atMs, isDraining: isKnown },
    }
  }

  const wait = state.isDraining ? CALM_SHARE * drainMs : shrinkAfterMs
  const early = past.filter((each) => each.atMs < atMs - wait / 2)
  const late = past.filter((each) => each.atMs >= atMs - wait / 2)
  // Before, a backlog may have kept the slots busy; where the ends are not counted, nobody knows.
  const usual = state.isDraining || sample.done === undefined ? meanOf(late) : Math.max(meanOf(early), meanOf(late))
  const enough = bounded(Math.ceil(Math.max(state.busy, usual) / utilisation))
  const isSeen = state.isDraining || atMs - (past[0]?.atMs ?? atMs) >= shrinkAfterMs * SEEN_SHARE
  const since = state.isDraining ? Math.max(state.calmSinceMs, changedAtMs) : changedAtMs
  const isFalling = state.busy < usual * FALLING_SHARE
  const isOld = isSeen && atMs - since >= wait * patience
  if (isOld && !isFalling && enough < wantedBefore * SHRINK_SHARE) {
    return {
      wanted: enough,
      reason: 'shrinking',
      state: {
        ...state,
        wanted: enough,
        changedAtMs: atMs,
        shrunk: { atMs, from: wantedBefore, patience },
        isDraining: false,
      },
    }
  }
  // What was there for the backlog is gone, or needed.
  return { wanted: wantedBefore, reason: 'steady', state: isOld ? { ...state, isDraining: false } : state }
}

/** What a growth to `goal` says of the last shrinking. */
function regret(
  { shrunk, patience, samples }: ScaleState,
  goal: number,
  shrinkAfterMs: number,
): Pick<ScaleState, 'shrunk' | 'patience'> {
  const atMs = samples.at(-1)?.atMs ?? 0
  if (shrunk === undefined || atMs - shrunk.atMs >= REGRET_SHARE * shrunk.patience * shrinkAfterMs) {
    return { shrunk: undefined, patience }
  }
  if (goal > shrunk.from * OTHER_LOAD_SHARE) return { shrunk: undefined, patience: shrunk.patience }
  return { shrunk, patience: Math.min(MOST_PATIENCE, shrunk.patience * 2) }
}

/**
 * How many slots this moment asks for, unbounded but for the growth of one step, and whether that is known or guessed.
 * `lateness` is how many times longer than is fine the wait is.
 */
function needOf(
  { wanted, busy, samples }: ScaleState,
  lateness: number,
  { utilisation = 0.9, growFactor = 3, drainMs = 5_000 }: ScaleTargets,
): { readonly need: number; readonly isKnown: boolean } {
  const base = Math.ceil(busy / utilisation)
  const most = Math.max(wanted + 1, Math.floor(wanted * growFactor))
  const guess = Math.max(wanted + 1, Math.ceil(wanted * Math.max(LEAST_GROWTH, lateness)))
  const estimates = [samples, samples.slice(-RECENT_SAMPLES)].flatMap((each) => estimated(each) ?? [])
  if (estimates.length === 0) return { need: Math.min(most, Math.max(base, guess)), isKnown: false }
  const backlog = samples.at(-1)?.backlog ?? 0
  const needs = estimates.map(
    ({ arrivals, secondsEach }) => (arrivals / utilisation + backlog / (drainMs / 1_000)) * secondsEach,
  )
  return { need: Math.min(most, Math.max(base, Math.min(guess, Math.ceil(Math.max(...needs))))), isKnown: true }
}

/** How long what comes now will wait behind the backlog, in milliseconds; 0 where the ends are not counted. */
function comingWaitMs({ backlog, slots }: ScaleSample, samples: readonly ScaleSample[]): number {
  const seen = estimated(samples)
  return seen === undefined || slots === 0 ? 0 : ((backlog * seen.secondsEach) / slots) * 1_000
}

/** How many tasks come in a second, and how long one takes; undefined where the ends are not counted or nothing has ended. */
function estimated(
  samples: readonly ScaleSample[],
): { readonly arrivals: number; readonly secondsEach: number } | undefined {
  const [first] = samples
  const last = samples.at(-1)
  if (first === undefined || last === undefined || last.atMs === first.atMs) return undefined
  if (first.done === undefined || last.done === undefined || last.done <= first.done) return undefined
  const seconds = (last.atMs - first.atMs) / 1_000
  const ends = last.done - first.done
  const busy = samples.reduce((sum, each) => sum + each.busy, 0) / samples.length
  const isTimed = first.tookMs !== undefined && last.tookMs !== undefined
  const secondsEach = isTimed ? Math.max(0, last.tookMs - first.tookMs) / 1_000 / ends : (busy * seconds) / ends
  return { arrivals: Math.max(0, (ends + last.backlog - first.backlog) / seconds), secondsEach }
}

function smoothed(before: ScaleState | undefined, sample: ScaleSample): number {
  const last = before?.samples.at(-1)
  if (before === undefined || last === undefined) return sample.busy
  const weight = 1 - Math.exp(-Math.max(0, sample.atMs - last.atMs) / SMOOTH_MS)
  return before.busy + (sample.busy - before.busy) * weight
}

function meanOf(past: ScaleState['past']): number {
  return past.reduce((sum, each) => sum + each.busy, 0) / Math.max(1, past.length)
}

/** How slots are spread over processes: as few processes as can hold them, each with the same concurrency. */
export function splitSlots(
  slots: number,
  {
    processes,
    concurrency,
  }: {
    readonly processes: { readonly min: number; readonly max: number }
    readonly concurrency: { readonly min: number; readonly max: number }
  },
): { readonly processes: number; readonly concurrency: number } {
  const count = Math.min(processes.max, Math.max(processes.min, Math.ceil(slots / concurrency.max)))
  const each = count === 0 ? concurrency.min : Math.ceil(slots / count)
  return { processes: count, concurrency: Math.min(concurrency.max, Math.max(concurrency.min, each)) }
}
