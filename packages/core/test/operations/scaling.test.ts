import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planScale, splitSlots, type ScaleState, type ScaleTargets } from '../../src/operations/scaling.ts'
import { createRandom } from '../../src/testing/random.ts'

interface Second {
  readonly at: number
  readonly wanted: number
  readonly slots: number
  readonly busy: number
  readonly waitMs: number
}

/** Workers and a queue, in steps of 10 ms: tasks come at random and take `taskMs` each; slots that are wanted come up after `startMs`. */
function simulate({
  rateAt,
  taskMs,
  seconds,
  targets,
  startMs = 1_500,
  counted = true,
  seed = 1,
}: {
  readonly rateAt: (second: number) => number
  readonly taskMs: number
  readonly seconds: number
  readonly targets: ScaleTargets
  readonly startMs?: number
  readonly counted?: boolean
  readonly seed?: number
}): Second[] {
  const random = createRandom(seed)
  const queue: number[] = []
  let running: { readonly until: number; readonly takes: number }[] = []
  let coming: { readonly atMs: number; readonly slots: number }[] = []
  let slots = targets.min
  const ended = { done: 0, tookMs: 0 }
  let busyTime = 0
  let state: ScaleState | undefined
  const seen: Second[] = []
  for (let now = 0; now < seconds * 1_000; now += 10) {
    for (const { atMs, slots: more } of coming) if (atMs <= now) slots = Math.max(slots, more)
    coming = coming.filter(({ atMs }) => atMs > now)
    for (const { until, takes } of running) {
      if (until > now) continue
      ended.done += 1
      ended.tookMs += takes
    }
    running = running.filter(({ until }) => until > now)
    for (
      let chance = random.next(), limit = Math.exp(-rateAt(now / 1_000) / 100);
      chance > limit;
      chance *= random.next()
    ) {
      queue.push(now)
    }
    while (running.length < slots && queue.length > 0) {
      queue.shift()
      const takes = taskMs * (0.5 + random.next())
      running.push({ until: now + takes, takes })
    }
    busyTime += Math.min(1, running.length / Math.max(1, slots)) * slots
    if (now % 1_000 !== 990) continue
    const busy = busyTime / 100
    busyTime = 0
    const waitMs = now - (queue[0] ?? now)
    const plan = planScale(
      state,
      { atMs: now, slots, busy, backlog: queue.length, waitMs, ...(counted ? ended : { done: undefined }) },
      targets,
    )
    seen.push({ at: now / 1_000, wanted: plan.wanted, slots, busy, waitMs })
    if (plan.wanted < (state?.wanted ?? slots)) {
      slots = Math.min(slots, plan.wanted)
      coming = []
    } else if (plan.wanted > slots) coming.push({ atMs: now + startMs, slots: plan.wanted })
    state = plan.state
  }
  return seen
}

const utilisation = (seconds: readonly Second[]): number =>
  seconds.reduce((sum, each) => sum + each.busy, 0) / seconds.reduce((sum, each) => sum + each.slots, 0)

function turns(seconds: readonly Second[]): number {
  const steps = seconds.flatMap((each, index) => {
    const by = each.wanted - (seconds[index - 1] ?? each).wanted
    return by === 0 ? [] : [Math.sign(by)]
  })
  return steps.filter((step, index) => index > 0 && step !== steps[index - 1]).length
}

const targets: ScaleTargets = { min: 2, max: 500 }

describe.each([
  ['with ends counted', true],
  ['from the queue alone', false],
])('a tenfold step of the load, %s', (_, counted) => {
  const steppedAt = 120
  const seconds = simulate({
    rateAt: (second) => (second < steppedAt ? 40 : 400),
    taskMs: 200,
    seconds: 600,
    targets,
    counted,
  })

  it('is followed within 15 s', () => {
    const needed = 400 * 0.2
    const reached = seconds.find(({ at, slots }) => at > steppedAt && slots >= needed)
    expect(reached?.at).toBeLessThanOrEqual(steppedAt + 15)
    expect(seconds.filter(({ at }) => at > steppedAt + 60).every(({ waitMs }) => waitMs < 1_500)).toBe(true)
  })

  it('lets nobody wait for long after 15 s', () => {
    expect(seconds.filter(({ at }) => at > steppedAt + 15).every(({ waitMs }) => waitMs <= 1_000)).toBe(true)
  })

  it('leaves the slots more than 80 % busy before and after', () => {
    expect(utilisation(seconds.filter(({ at }) => at > 60 && at < steppedAt))).toBeGreaterThan(0.8)
    expect(utilisation(seconds.filter(({ at }) => at > steppedAt + (counted ? 15 : 75)))).toBeGreaterThan(0.8)
  })

  it('takes away soon what was there to work off the backlog', () => {
    const needed = 400 * 0.2
    expect(seconds.filter(({ at }) => at > steppedAt + 40).every(({ slots }) => slots <= needed / 0.8)).toBe(true)
  })

  it('comes to rest', () => {
    expect(turns(seconds.filter(({ at }) => at > steppedAt + 75))).toBe(0)
  })
})

it('follows a step of any size up to ten, of tasks of any length', () => {
  fc.assert(
    fc.property(
      fc.record({
        rate: fc.integer({ min: 20, max: 100 }),
        step: fc.double({ min: 2, max: 10, noNaN: true }),
        taskMs: fc.constantFrom(50, 200, 500),
        startMs: fc.constantFrom(500, 1_500, 2_500),
        seed: fc.nat(1_000),
      }),
      ({ rate, step, taskMs, startMs, seed }) => {
        const maxWaitMs = Math.max(1_000, 4 * taskMs)
        const seconds = simulate({
          rateAt: (second) => (second < 60 ? rate : rate * step),
          taskMs,
          seconds: 160,
          targets: { min: 2, max: 1_000, maxWaitMs },
          startMs,
          seed,
        })
        const after = seconds.filter(({ at }) => at > 75)
        expect(after.every(({ waitMs }) => waitMs <= maxWaitMs)).toBe(true)
        if ((rate * step * taskMs) / 1_000 >= 15) expect(utilisation(after)).toBeGreaterThan(0.78)
        expect(turns(after)).toBeLessThanOrEqual(2)
      },
    ),
    { numRuns: 25, seed: 7 },
  )
})

it('gives back soon what it has grown by for a burst', () => {
  const from = 150
  const seconds = simulate({
    rateAt: (second) => (second >= from && second < from + 4 ? 1_600 : 400),
    taskMs: 200,
    seconds: 230,
    targets,
  })
  const most = Math.max(...seconds.filter(({ at }) => at > from && at < from + 20).map(({ slots }) => slots))
  expect(most).toBeGreaterThan(150)
  expect(utilisation(seconds.filter(({ at }) => at > from + 25))).toBeGreaterThan(0.8)
})

it('comes down again after the load has gone, slowly and without turning', () => {
  const seconds = simulate({ rateAt: (second) => (second < 200 ? 400 : 40), taskMs: 200, seconds: 500, targets })
  const after = seconds.filter(({ at }) => at > 200)
  expect(after.filter(({ at }) => at < 220).every(({ wanted }) => wanted >= 80)).toBe(true)
  expect(utilisation(after.slice(-150))).toBeGreaterThan(0.8)
  expect(turns(after)).toBe(0)
})

it('rests on any steady load, and does its work', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 10, max: 300 }),
      fc.constantFrom(20, 100, 300, 1_000),
      fc.nat(1_000),
      fc.boolean(),
      (rate, taskMs, seed, counted) => {
        const seconds = simulate({
          rateAt: () => rate,
          taskMs,
          seconds: 400,
          // A wait is long when it is several tasks long.
          targets: { ...targets, maxWaitMs: Math.max(1_000, 4 * taskMs) },
          seed,
          counted,
        })
        const late = seconds.filter(({ at }) => at > 150)
        expect(late.every(({ waitMs }) => waitMs < 3 * Math.max(1_000, 4 * taskMs))).toBe(true)
        const needed = (rate * taskMs) / 1_000
        // Of few slots each one counts for much, and chance alone moves the load by a third.
        if (needed < 15) return
        expect(turns(late)).toBeLessThanOrEqual(2)
        const wishes = late.map(({ wanted }) => wanted)
        expect(Math.max(...wishes) - Math.min(...wishes)).toBeLessThanOrEqual(3 + needed * 0.5)
        expect(utilisation(late)).toBeGreaterThan(0.78)
      },
    ),
    { numRuns: 25, seed: 7 },
  )
})

it('stays within its bounds and its steps, whatever it is told', () => {
  const sample = fc.record({
    passMs: fc.integer({ min: 1, max: 60_000 }),
    slots: fc.nat(1_000),
    busy: fc.nat(1_000),
    backlog: fc.nat(100_000),
    waitMs: fc.nat(100_000),
    ended: fc.nat(10_000),
    counted: fc.boolean(),
  })
  fc.assert(
    fc.property(
      fc.nat(10),
      fc.integer({ min: 10, max: 300 }),
      fc.array(sample, { maxLength: 60 }),
      (min, max, samples) => {
        let state: ScaleState | undefined
        let atMs = 0
        let done = 0
        for (const { passMs, slots, busy, backlog, waitMs, ended, counted } of samples) {
          atMs += passMs
          done += ended
          const before: ScaleState | undefined = state
          const plan = planScale(
            before,
            { atMs, slots, busy: Math.min(busy, slots), backlog, waitMs, done: counted ? done : undefined },
            { min, max },
          )
          expect(Number.isInteger(plan.wanted)).toBe(true)
          expect(plan.wanted).toBeGreaterThanOrEqual(min)
          expect(plan.wanted).toBeLessThanOrEqual(max)
          if (before !== undefined) {
            expect(plan.wanted).toBeLessThanOrEqual(Math.max(before.wanted + 1, before.wanted * 3))
            if (plan.wanted < before.wanted) expect(atMs - before.changedAtMs).toBeGreaterThanOrEqual(10_000)
            if (plan.wanted > before.wanted) expect(atMs - before.changedAtMs).toBeGreaterThanOrEqual(1_000)
          }
          state = plan.state
        }
      },
    ),
  )
})

it('starts the first slot when there is none and something waits, and ends the last when nothing does', () => {
  const none = { slots: 0, busy: 0, done: 0 }
  const first = planScale(undefined, { ...none, atMs: 0, backlog: 1, waitMs: 5 }, { min: 0, max: 10 })
  expect(first).toMatchObject({ wanted: 1, reason: 'growing' })
  let { state } = first
  for (let atMs = 1_000; atMs <= 60_000; atMs += 1_000) {
    state = planScale(state, { atMs, slots: 1, busy: 0, backlog: 0, waitMs: 0, done: 1 }, { min: 0, max: 10 }).state
  }
  expect(state.wanted).toBe(0)
})

it.each([
  [1, { processes: 1, concurrency: 1 }],
  [10, { processes: 1, concurrency: 10 }],
  [11, { processes: 2, concurrency: 6 }],
  [40, { processes: 4, concurrency: 10 }],
  [99, { processes: 4, concurrency: 10 }],
  [0, { processes: 1, concurrency: 1 }],
])('spreads %i slots', (slots, split) => {
  expect(splitSlots(slots, { processes: { min: 1, max: 4 }, concurrency: { min: 1, max: 10 } })).toEqual(split)
})
