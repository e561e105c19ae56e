import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineQueue, defineTask } from '../../src/index.ts'
import { openShop } from './shop.ts'

const Small = defineQueue('small', { maxWaiting: 2 })
const Job = defineTask('job', { input: z.number(), queue: Small })
const full = { code: 'queue_full', retriable: true, facts: { queue: 'small' } }

it('refuses what a full queue does not take, and takes it when workers have made room', async () => {
  const { millrace, settle } = openShop()
  await settle(millrace.enqueueMany(Job, [1, 2]))
  await expect(settle(millrace.enqueue(Job, 3))).rejects.toMatchObject(full)
  await expect(settle(millrace.enqueue(Job, 3, { delay: 1_000 }))).rejects.toMatchObject(full)
  await expect(settle(millrace.tasks.add('job', 3))).rejects.toMatchObject(full)
  await expect(
    settle(millrace.enqueueFlow({ task: defineTask('other'), input: undefined, children: [{ task: Job, input: 3 }] })),
  ).rejects.toMatchObject({ code: 'queue_full' })
  expect(await settle(millrace.queues.get('small'))).toMatchObject({
    waiting: 2,
    full: true,
    settings: { maxWaiting: 2 },
  })
  expect(await settle(millrace.tasks.list())).toHaveLength(2)
  const seen: number[] = []
  await settle(millrace.work(Job, (n) => void seen.push(n)))
  await settle((await settle(millrace.enqueue(Job, 4))).result())
  expect(seen).toEqual([1, 2, 4])
})

it('lets the neighbours of a full queue in', async () => {
  const { millrace, settle } = openShop()
  const Other = defineTask('other', { input: z.number() })
  await settle(millrace.enqueueMany(Job, [1, 2]))
  const ends = await settle(Promise.allSettled([millrace.enqueue(Job, 3), millrace.enqueue(Other, 3)]))
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
})

it('says how many of many were added', async () => {
  const { millrace, settle } = openShop()
  const Many = defineTask('many', { input: z.number(), maxWaiting: 700 })
  const inputs = Array.from({ length: 2_000 }, (_, n) => n)
  await expect(settle(millrace.enqueueMany(Many, inputs))).rejects.toMatchObject({
    code: 'queue_full',
    facts: { queue: 'many', added: 700, of: 2_000 },
  })
  expect((await settle(millrace.queues.get('many'))).waiting).toBe(700)
})

it.each([
  ['skip', 0],
  ['once', 1],
  ['all', 3],
] as const)('holds a firing that finds its queue full, and makes up for it by %s', async (missed, made) => {
  const { millrace, settle, runtime } = openShop()
  await settle(millrace.enqueueMany(Job, [1, 2]))
  await settle(millrace.schedules.put('often', { every: 100_000 }, { task: Job, input: 9, missed }))
  const { nextAt } = await settle(millrace.schedules.get('often'))
  await runtime.advance(380_000)
  expect(await settle(millrace.tasks.list())).toHaveLength(2)
  if (missed !== 'skip') {
    expect(await settle(millrace.schedules.get('often'))).toMatchObject({
      nextAt,
      fired: 0,
      error: 'The queue "small" is full: the firing waits.',
    })
  }
  await settle(millrace.queues.change('small', { maxWaiting: 100 }))
  await runtime.advance(10_000)
  expect((await settle(millrace.tasks.list())).length - 2).toBe(made)
  const after = await settle(millrace.schedules.get('often'))
  expect(after).toMatchObject({ fired: made, error: undefined })
  expect(Date.parse(after.nextAt ?? '') - Date.parse(nextAt ?? '')).toBe(300_000)
})

it('fires once the one time that a full queue was in its way, and gives it up when it is skipped', async () => {
  const { millrace, settle, runtime } = openShop()
  await settle(millrace.enqueueMany(Job, [1, 2]))
  const at = new Date(runtime.now() + 1_000)
  for (const name of ['one', 'two']) await settle(millrace.schedules.put(name, { at }, { task: Job, input: 9 }))
  await runtime.advance(20_000)
  expect(await settle(millrace.schedules.next('one'))).toEqual([at.toISOString()])
  await settle(millrace.schedules.skipNext('two'))
  await settle(millrace.queues.change('small', { maxWaiting: 100 }))
  await runtime.advance(20_000)
  expect(await settle(millrace.tasks.list())).toHaveLength(3)
  expect((await settle(millrace.schedules.get('one'))).nextAt).toBeUndefined()
})
