import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readJob } from '../src/jobs/job.ts'
import { createNames, legalName } from '../src/jobs/names.ts'
import { priorityFrom } from '../src/jobs/priority.ts'
import { retriesOf } from '../src/jobs/retries.ts'
import { scheduleOf, type Scheduler } from '../src/jobs/schedule-of-scheduler.ts'
import { fieldsOf } from '../src/redis/fields.ts'
import { taskIdOf } from '../src/jobs/task-id.ts'

const NAME = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/

test('priorities keep their order, within those that tasks have', () => {
  expect([0, 1, 2, 10, 1_000, 2 ** 21].map(priorityFrom)).toEqual([0, -48, -75, -165, -475, -1_000])
  const priority = fc.integer({ min: 0, max: 2 ** 21 })
  fc.assert(
    fc.property(priority, priority, (one, other) => {
      const [first, second] = [Math.min(one, other), Math.max(one, other)].map(priorityFrom)
      return (first ?? 0) >= (second ?? 0) && Number.isInteger(first) && (second ?? 0) >= -1_000
    }),
  )
})

test('names are kept where they are allowed, and made so where they are not', () => {
  expect(
    ['report.build', 'sendEmail', 'Send Email!', '__default__', 'HTMLtoPDF', 'a--b', '注文', ''].map(legalName),
  ).toEqual(['report.build', 'send-email', 'send-email', 'default', 'htmlto-pdf', 'a-b', '', ''])
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (name) => {
      const legal = legalName(name)
      return legal === '' || (NAME.test(legal) && legal.length <= 200)
    }),
  )
})

test('two names never become one unless they are given it', () => {
  const names = createNames({ x: 'same', y: 'same' })
  expect(names.of('sendEmail')).toEqual({ task: 'send-email' })
  expect(names.of('send-email')).toMatchObject({ because: expect.stringContaining('"sendEmail"') as string })
  expect(names.of('sendEmail')).toEqual({ task: 'send-email' })
  expect([names.of('x'), names.of('y')]).toEqual([{ task: 'same' }, { task: 'same' }])
  expect(names.of('constructor')).toEqual({ task: 'constructor' })
})

test('what is left of the retries travels', () => {
  const retries = (options: object, attemptsMade = 0): object => retriesOf({ ...job('1', []), options, attemptsMade })
  expect(retries({})).toEqual({ attempts: 1, backoff: { type: 'fixed', delay: 0 } })
  expect(retries({ attempts: 5, backoff: 1_000 }, 2)).toEqual({ attempts: 3, backoff: { type: 'fixed', delay: 1_000 } })
  expect(retries({ attempts: 5, backoff: { type: 'exponential', delay: 100 } }, 3)).toMatchObject({
    attempts: 2,
    backoff: { type: 'exponential', delay: 800, jitter: false },
  })
  expect(retries({ attempts: 5, backoff: { type: 'mine' } })).toEqual({ attempts: 5 })
  expect(retries({ attempts: 2, backoff: { type: 'exponential', delay: 1_000 } }, 60)).toMatchObject({ attempts: 1 })
})

test('ids tell jobs apart, and fit', () => {
  const one = job('7', ['data', '1', 'timestamp', '5'])
  expect(taskIdOf('q', one)).toBe(taskIdOf('q', { ...one, priority: 9 }))
  expect(taskIdOf('q', one)).not.toBe(taskIdOf('q', { ...one, timestamp: 6 }))
  expect(taskIdOf('q', one)).not.toBe(taskIdOf('q', { ...one, data: '2' }))
  const long = taskIdOf('q', { ...one, id: 'x'.repeat(400) })
  expect(Buffer.byteLength(long)).toBeLessThanOrEqual(256)
})

test('what is no job is told', () => {
  expect(readJob('1', fieldsOf(['data', '{}']), '')).toBeUndefined()
  expect(readJob('1', fieldsOf(['name', 'a', 'opts', '{']), '')).toBeUndefined()
})

test('schedulers become schedules that begin after the pending run', () => {
  expect(scheduled({ pattern: '0 3 * * *' })).toMatchObject({
    name: 'emails.nightly',
    rule: { cron: '0 3 * * *', timeZone: 'Europe/Berlin' },
    options: { task: 'clean-up', input: { deep: true }, starts: new Date(1_000_001) },
  })
  expect(scheduled({ pattern: '0 3 * * *', timeZone: 'Asia/Tokyo' })).toMatchObject({
    rule: { timeZone: 'Asia/Tokyo' },
  })
  expect(scheduled({ every: 60_000 })).toMatchObject({ rule: { every: 60_000, from: new Date(1_000_000) } })
  expect(scheduled({ every: 60_000, limit: 5, made: 2 })).toMatchObject({ options: { limit: 3 } })
  expect(scheduled({ every: 60_000, limit: 5, made: 5 })).toBeUndefined()
  expect(scheduled({ every: 60_000, endsAt: 1_000_000 })).toBeUndefined()
  expect(scheduled({ every: 60_000, endsAt: 9_000_000 })).toMatchObject({ options: { ends: new Date(9_000_000) } })
  expect(scheduled({ every: 500 })).toContain('at most once a second')
  expect(scheduled({})).toContain('neither a pattern nor an interval')
  expect(scheduled({ every: 60_000, name: undefined })).toContain('no job that it could add')
  expect(scheduled({ id: '0123456789abcdef0123456789abcdef', every: 60_000 })).toMatchObject({
    name: 'emails.clean-up-01234567',
  })
})

function job(id: string, fields: readonly string[]): NonNullable<ReturnType<typeof readJob>> {
  const read = readJob(id, fieldsOf(['name', 'count', ...fields]), '')
  if (read === undefined) throw new Error('This is no job.')
  return read
}

function scheduled(given: Partial<Scheduler>): ReturnType<typeof scheduleOf> {
  const scheduler: Scheduler = {
    id: 'nightly',
    nextAt: 1_000_000,
    name: 'cleanUp',
    pattern: undefined,
    every: undefined,
    timeZone: undefined,
    endsAt: undefined,
    limit: undefined,
    made: 1,
    data: '{"deep":true}',
    options: '{}',
    ...given,
  }
  const rules = { queue: 'emails', toQueue: 'emails', names: createNames({}), keepIds: false }
  return scheduleOf(scheduler, rules, 'Europe/Berlin')
}
