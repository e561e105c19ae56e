import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask, type Millrace } from '../../src/index.ts'
import { nextInstant } from '../../src/tasks/schedule-rule.ts'
import { openShop } from './shop.ts'

const Tick = defineTask('tick', { input: z.string(), keep: { count: 100_000 } })
const HOUR = 3_600_000

function instants(cron: string, timeZone: string, from: string, count: number): readonly string[] {
  const found: string[] = []
  let at: number | undefined = Date.parse(from)
  while (found.length < count && at !== undefined) {
    at = nextInstant({ cron, timeZone }, at)
    if (at !== undefined) found.push(new Date(at).toISOString())
  }
  return found
}

it('runs a time of the day that the clock skips at the first moment after the gap', () => {
  expect(instants('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', 2)).toEqual([
    '2026-03-29T01:00:00.000Z',
    '2026-03-30T00:30:00.000Z',
  ])
})

it('runs a time of the day that comes twice at the first of the two', () => {
  expect(instants('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 2)).toEqual([
    '2026-10-25T00:30:00.000Z',
    '2026-10-26T01:30:00.000Z',
  ])
})

it('goes on through both with a rule of stretches', () => {
  expect(instants('*/30 * * * *', 'Europe/Berlin', '2026-10-24T23:59:00Z', 6)).toEqual(
    [0, 30, 60, 90, 120, 150].map((minutes) =>
      new Date(Date.parse('2026-10-25T00:00:00Z') + minutes * 60_000).toISOString(),
    ),
  )
  expect(instants('0 * * * *', 'Europe/Berlin', '2026-03-29T00:00:00Z', 2)).toEqual([
    '2026-03-29T01:00:00.000Z',
    '2026-03-29T02:00:00.000Z',
  ])
})

it('adds a task at each instant, once over several processes', async () => {
  const shop = openShop()
  const { millrace, settle, runtime } = shop
  const seen: (string | undefined)[] = []
  const handler = (_input: string, task: { metadata: { extensions?: Readonly<Record<string, unknown>> } }): void =>
    void seen.push(String(task.metadata.extensions?.['scheduledat']))
  await settle(millrace.work(Tick, handler))
  await settle(shop.another().work(Tick, handler))
  await settle(millrace.schedules.put('often', { every: 10_000 }, { task: Tick, input: 'x' }))
  const { nextAt } = await settle(millrace.schedules.get('often'))
  await runtime.advance(60_500)
  expect(seen).toHaveLength(6)
  expect(seen[0]).toBe(nextAt)
  expect(new Set(seen).size).toBe(6)
})

it('fires when it is time, not when it looks', async () => {
  const { millrace, settle, runtime } = openShop()
  const late: number[] = []
  await settle(
    millrace.work(Tick, (_input, task) => {
      late.push(runtime.now() - Date.parse(String(task.metadata.extensions?.['scheduledat'])))
    }),
  )
  await settle(millrace.schedules.put('quick', { every: 1_000 }, { task: Tick, input: 'x' }))
  await settle(millrace.schedules.put('slow', { cron: '*/7 * * * * *' }, { task: Tick, input: 'x' }))
  await runtime.advance(30_500)
  expect(late.length).toBe(30 + 4)
  expect(Math.max(...late)).toBeLessThan(100)
})

it.each([
  ['skip', 0],
  ['once', 1],
  ['all', 5],
] as const)('makes up for what was missed: %s', async (missed, expected) => {
  const shop = openShop()
  const { millrace, settle, runtime } = shop
  await settle(millrace.schedules.put('hourly', { cron: '0 * * * *' }, { task: Tick, input: 'x', missed }))
  await settle(millrace.close())
  await runtime.advance(5.5 * HOUR)
  const later = shop.another()
  await settle(later.work(Tick, () => {}))
  await runtime.advance(10_000)
  expect(await settle(later.tasks.list())).toHaveLength(expected)
  expect((await settle(later.schedules.get('hourly'))).nextAt).toBe('2026-01-01T06:00:00.000Z')
})

it('is the same when it is stored again, and keeps its stretches and its pause', async () => {
  const { millrace, settle, runtime } = openShop()
  const put = (every: number): ReturnType<typeof millrace.schedules.put> =>
    settle(millrace.schedules.put('s', { every }, { task: Tick, input: 'x' }))
  const first = await put(HOUR)
  await runtime.advance(1_000)
  expect((await put(HOUR)).nextAt).toBe(first.nextAt)
  await settle(millrace.schedules.pause('s'))
  expect(await put(2 * HOUR)).toMatchObject({ paused: true, nextAt: undefined })
  expect((await settle(millrace.schedules.resume('s'))).nextAt).toBeDefined()
})

it('skips the next, runs now, tells the next five, ends by its limit and can be removed', async () => {
  const { millrace, settle, runtime } = openShop()
  const { schedules } = millrace
  await settle(millrace.work(Tick, () => {}))
  await settle(
    schedules.put('s', { cron: '0 9-17 * * 1-5', timeZone: 'Europe/Berlin' }, { task: Tick, input: 'x', limit: 2 }),
  )
  expect(await settle(schedules.next('s'))).toEqual(['2026-01-01T08:00:00.000Z', '2026-01-01T09:00:00.000Z'])
  expect((await settle(schedules.skipNext('s'))).nextAt).toBe('2026-01-01T09:00:00.000Z')
  const { id } = await settle(schedules.runNow('s'))
  expect((await settle(millrace.tasks.get(id))).name).toBe('tick')
  await runtime.advance(11 * HOUR)
  expect(await settle(schedules.get('s'))).toMatchObject({ fired: 2, nextAt: undefined })
  expect((await settle(schedules.list())).map(({ name }) => name)).toEqual(['s'])
  await settle(schedules.remove('s'))
  await expect(settle(schedules.get('s'))).rejects.toMatchObject({ code: 'schedule_unknown' })
})

it('adds none while one of its tasks has not ended, where asked', async () => {
  const { millrace, settle, runtime } = openShop()
  await settle(millrace.work(Tick, () => new Promise(() => {})))
  await settle(millrace.schedules.put('s', { every: 1_000 }, { task: Tick, input: 'x', noOverlap: true }))
  await runtime.advance(10_000)
  expect(await settle(millrace.tasks.list())).toHaveLength(1)
})

it.each([
  ['a cron that never fires', { cron: '0 0 30 2 *' }, 'rule'],
  ['a cron that cannot be read', { cron: '61 * * * *' }, 'cron'],
  ['a cron of seven fields', { cron: '* * * * * * 2026' }, 'cron'],
  ['a time zone that is not known', { cron: '* * * * *', timeZone: 'Mars/Base' }, 'timeZone'],
  ['stretches that are too short', { every: 5 }, 'every'],
  ['a moment that has passed', { at: new Date(0) }, 'rule'],
  ['a rule of two kinds', { cron: '* * * * *', every: 5_000 }, 'rule'],
  ['a rule of none', {}, 'rule'],
  ['a member that is not known', { every: 5_000, timeZone: 'UTC' }, 'rule'],
  ['a date that does not exist', { at: new Date(Number.NaN) }, 'at'],
])('refuses %s', async (_what, rule, path) => {
  const { millrace, settle } = openShop()
  await expect(settle(millrace.schedules.put('s', rule as never, { task: Tick, input: 'x' }))).rejects.toMatchObject({
    code: 'schedule_invalid',
    path,
  })
})

it('refuses an input that does not fit, and names that are reserved', async () => {
  const { millrace, settle } = openShop()
  const every = { every: 5_000 }
  // @ts-expect-error -- the input is a text
  await expect(settle(millrace.schedules.put('s', every, { task: Tick, input: 5 }))).rejects.toMatchObject({
    code: 'task_input_invalid',
  })
  await expect(settle(millrace.schedules.put('millrace.s', every, { task: Tick, input: 'x' }))).rejects.toMatchObject({
    code: 'schedule_invalid',
  })
})

it('goes on when a clock that was a year ahead is put right, in the process that saw it and in the next', async () => {
  const shop = openShop()
  const { settle, runtime, another } = shop
  await settle(shop.millrace.close())
  let shift = 0
  const jumping = (): Millrace => another({ runtime: { ...runtime, now: () => runtime.now() + shift } })
  const seen: (string | undefined)[] = []
  const first = jumping()
  await settle(first.work(Tick, (of) => void seen.push(of)))
  await settle(first.schedules.put('often', { cron: '* * * * *' }, { task: Tick, input: 'x' }))
  shift = 365 * 24 * HOUR
  await runtime.advance(130_000)
  const ahead = seen.length
  expect(ahead).toBeGreaterThan(0)
  shift = 0
  await runtime.advance(180_000)
  expect(seen.length - ahead).toBeGreaterThanOrEqual(2)
  expect(seen.length - ahead).toBeLessThanOrEqual(3)
  shift = 365 * 24 * HOUR
  await runtime.advance(130_000)
  await settle(first.close())
  shift = 0
  const before = seen.length
  await settle(jumping().work(Tick, (of) => void seen.push(of)))
  await runtime.advance(180_000)
  expect(seen.length - before).toBeGreaterThanOrEqual(2)
  expect(seen.length - before).toBeLessThanOrEqual(3)
})
