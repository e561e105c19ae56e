import fc from 'fast-check'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { DEFAULT_LIMITS } from '../../src/contract.ts'
import { defineQueue, defineTask, MillraceError } from '../../src/index.ts'
import { planClaims } from '../../src/tasks/claim-plan.ts'
import { headStartOf, priorityOf } from '../../src/tasks/priority.ts'
import { initialProgress, progressOf, reportProgress } from '../../src/tasks/progress-state.ts'
import { resolveBackoff } from '../../src/tasks/retries.ts'
import { planFiring } from '../../src/tasks/schedule-firing.ts'
import { lastInstants, nextInstant, type StoredRule } from '../../src/tasks/schedule-rule.ts'
import { judgeTask, type JudgedTask } from '../../src/tasks/task-outcome.ts'
import { createWorkerPace } from '../../src/tasks/worker-pace.ts'

const anyNumber = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(Number.NaN, -1, Number.POSITIVE_INFINITY))

it('progress stays sound whatever is reported', () => {
  const report = fc.record(
    { done: anyNumber, total: anyNumber, stage: fc.constantFrom('a', 'b') },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(report, fc.nat(10_000)), { maxLength: 30 }), (reports) => {
      let state = initialProgress(0)
      let now = 0
      for (const [each, elapsed] of reports) {
        now += elapsed
        state = reportProgress(state, each, now)
        const { done, total, percent, remainingMs } = progressOf(state, '')
        expect(Number.isFinite(done) && done >= 0).toBe(true)
        if (total !== undefined) expect(done).toBeLessThanOrEqual(total)
        if (percent !== undefined) expect(percent >= 0 && percent <= 100).toBe(true)
        if (remainingMs !== undefined) expect(remainingMs >= 0 && !Number.isNaN(remainingMs)).toBe(true)
      }
    }),
  )
})

it('the time remaining comes to what an even pace gives', () => {
  let state = initialProgress(0)
  for (let done = 1; done <= 50; done += 1) state = reportProgress(state, { done, total: 100 }, done * 100)
  expect(progressOf(state, '').remainingMs).toBeGreaterThan(4_900)
  expect(progressOf(state, '').remainingMs).toBeLessThan(5_100)
})

it('going back is not believed, unless a new stage begins', () => {
  const half = reportProgress(initialProgress(0), { done: 5, total: 10, stage: 'one' }, 10)
  expect(reportProgress(half, { done: 3 }, 20).done).toBe(5)
  expect(reportProgress(half, { done: 0, stage: 'two' }, 20).done).toBe(0)
})

it('no claim asks a line for more than it wants, and all of it is asked for', () => {
  const appetite = fc.record({
    queue: fc.constantFrom('a', 'b'),
    name: fc.uuid(),
    wanted: fc.integer({ min: -5, max: 1_000 }),
  })
  fc.assert(
    fc.property(fc.array(appetite, { maxLength: 8 }), (appetites) => {
      const claims = planClaims(appetites, { suspects: 1 })
      for (const { name, wanted } of appetites) {
        const most = claims.filter(({ names }) => names.includes(name)).reduce((sum, { limit }) => sum + limit, 0)
        expect(most).toBe(Math.max(0, wanted))
      }
      expect(claims.every(({ limit }) => limit > 0)).toBe(true)
    }),
  )
})

it('lines that share a queue claim together first', () => {
  const appetites = [
    { queue: 'q', name: 'a', wanted: 10 },
    { queue: 'q', name: 'b', wanted: 4 },
  ]
  expect(planClaims(appetites, { suspects: 0 })).toEqual([
    { queue: 'q', names: ['a', 'b'], limit: 4, suspects: 0 },
    { queue: 'q', names: ['a'], limit: 6, suspects: 0 },
  ])
})

it('one claim of a queue may bring a suspect, and only that of the queue that is suspected', () => {
  const appetites = [
    { queue: 'q', name: 'a', wanted: 10 },
    { queue: 'q', name: 'b', wanted: 4 },
    { queue: 'r', name: 'c', wanted: 2 },
  ]
  const suspectsOf = (suspected?: string): readonly number[] =>
    planClaims(appetites, { suspects: 1, suspected }).map(({ suspects }) => suspects)
  expect(suspectsOf()).toEqual([1, 0, 1])
  expect(suspectsOf('r')).toEqual([0, 0, 1])
  expect(suspectsOf('gone')).toEqual([1, 0, 1])
})

it('a priority and its head start are two names of one thing', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1_000, max: 1_000 }), (n) => {
      expect(headStartOf(priorityOf(headStartOf(n)))).toBe(headStartOf(n))
    }),
  )
  expect(headStartOf('critical')).toBe(1_000_000)
  expect(priorityOf(-500_000)).toBe('low')
})

it('delays are times whatever a rule of the user gives', () => {
  fc.assert(
    fc.property(
      fc.oneof(anyNumber, fc.constant('x' as never)),
      fc.integer({ min: 1, max: 5_000 }),
      (given, attempt) => {
        const delay = resolveBackoff(() => given)(attempt, new Error('x'), 0.5)
        expect(Number.isFinite(delay) && delay >= 0).toBe(true)
        const doubled = resolveBackoff({ delay: 10, max: 5_000 })(attempt, undefined, 0.999)
        expect(doubled >= 0 && doubled <= 5_000).toBe(true)
      },
    ),
  )
  expect(resolveBackoff({ type: 'fixed', delay: 70 })(9, undefined, 0.1)).toBe(70)
  expect(
    resolveBackoff(() => {
      throw new Error('broken')
    })(1, undefined, 0.1),
  ).toBe(1_000)
})

const Plain = defineTask('plain', { attempts: 2 })
const judged: JudgedTask = {
  definition: Plain,
  retries: Plain.retries,
  attempt: 1,
  cancelled: false,
  limits: DEFAULT_LIMITS,
}

it.each([
  ['nothing', undefined, { as: 'done', output: undefined }],
  ['a value', { a: 1 }, { as: 'done', output: '{"a":1}' }],
  ['what looks like a wish and is none', { outcome: 'retry', afterMs: 1, more: 1 }, { as: 'done' }],
  ['what JSON cannot carry', { at: new Map() }, { as: 'dead', error: { code: 'task_output_invalid' } }],
  ['too much', 'x'.repeat(300_000), { as: 'dead', error: { code: 'task_output_invalid' } }],
])('judges a handler that returns %s', (_what, result, verdict) => {
  expect(judgeTask({ ok: true, result }, judged, 0.5)).toMatchObject(verdict)
})

it.each([
  ['an error', new Error('x'), { as: 'retry', error: { code: 'task_failed', message: 'x' } }],
  ['nothing', undefined, { as: 'retry', error: { code: 'task_failed' } }],
  [
    'an error of an engine',
    new MillraceError('engine_full', 'no room'),
    { as: 'retry', error: { code: 'task_failed', message: 'engine_full: no room' } },
  ],
  [
    'an error that its getters throw',
    Object.defineProperty({}, 'message', {
      get: () => {
        throw new Error('x')
      },
    }),
    { as: 'retry' },
  ],
])('judges a handler that throws %s', (_what, error, verdict) => {
  expect(judgeTask({ ok: false, error }, judged, 0.5)).toMatchObject(verdict)
  expect(judgeTask({ ok: false, error }, { ...judged, attempt: 2 }, 0.5).as).toBe('dead')
  expect(judgeTask({ ok: false, error }, { ...judged, cancelled: true }, 0.5).as).toBe('cancelled')
})

it('the last instants of a rule are those that its next ones come to', () => {
  const rule: fc.Arbitrary<StoredRule> = fc.oneof(
    fc.record({ every: fc.integer({ min: 1_000, max: 100_000 }), from: fc.nat(1_000_000) }),
    fc.constantFrom({ cron: '*/7 * * * *', timeZone: 'UTC' }, { cron: '30 2 * * *', timeZone: 'Europe/Berlin' }),
  )
  fc.assert(
    fc.property(rule, fc.nat(5_000_000), fc.nat(3_000_000), (each, since, length) => {
      const until = since + length
      const forward: number[] = []
      for (let at = nextInstant(each, since - 1); at !== undefined && at <= until; at = nextInstant(each, at))
        forward.push(at)
      expect(lastInstants(each, { since, until, limit: 20 })).toEqual(forward.slice(-20))
    }),
    { numRuns: 60 },
  )
})

it('a schedule that nobody fired for a year makes up for the last of it at most', () => {
  const spec = {
    rule: { every: 1_000, from: 0 },
    task: 't',
    queue: 'q',
    options: {},
    missed: 'all' as const,
    noOverlap: false,
    paused: false,
    fired: 0,
  }
  const { instants, nextAt } = planFiring(spec, 1_000, 31_536_000_000)
  expect(instants).toHaveLength(500)
  expect(instants.at(-1)).toBe(31_536_000_000)
  expect(nextAt).toBe(31_536_001_000)
  expect(planFiring({ ...spec, missed: 'once' }, 1_000, 31_536_000_000).instants).toHaveLength(1)
})

it('a worker holds no more than a moment of its work', () => {
  const pace = createWorkerPace()
  expect(pace.bufferSize(0)).toBe(0)
  for (let task = 0; task < 200; task += 1) {
    pace.began(0, task * 10)
    pace.ended({ tasks: 1, startedAt: task * 10, others: 0, now: task * 10 + 10 })
  }
  expect(pace.bufferSize(2_000)).toBe(5)
})

it.each([
  ['queue', { queue: defineQueue('other'), concurrency: 5 }, 'concurrency'],
  ['attempts', { attempts: 1.5 }, 'attempts'],
  ['backoff', { backoff: { delay: -1 } }, 'backoff.delay'],
  ['schema', { input: {} as never }, 'input'],
  ['priority', { priority: 'urgent' as never }, 'priority'],
  ['key', { key: 'fixed' as never }, 'key'],
  ['rate', { rateLimit: { limit: 0, per: 1 } }, 'rateLimit.limit'],
  ['order', { perKey: { order: true, concurrency: 2 } }, 'perKey.concurrency'],
])('refuses a definition whose %s cannot be meant', (_what, options, path) => {
  expect(() => defineTask('bad', { input: z.string(), ...options } as never)).toThrow(
    expect.objectContaining({ code: 'task_definition_invalid', path }),
  )
})
