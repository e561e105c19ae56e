import {
  defineQueue,
  defineTask,
  done,
  type Millrace,
  type TaskData,
  type TaskInput,
  type TaskOutput,
  type TaskReturned,
} from '@millrace/core'
import { expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'

// The type checker judges these; running them shows that what they speak of exists.

const Build = defineTask('report.build', {
  input: z.object({ month: z.string(), pages: z.coerce.number<string>(), colour: z.boolean().default(false) }),
  output: z.object({ url: z.string(), bytes: z.coerce.number<string>() }),
  key: (input) => {
    expectTypeOf(input).toEqualTypeOf<{ month: string; pages: number; colour: boolean }>()
    return input.month
  },
  dedupe: (input) => ({ key: input.month, mode: 'replace' }),
})
const Cleanup = defineTask('cleanup')
const Plain = defineTask('plain', { input: z.string(), queue: defineQueue('other') })

declare const millrace: Millrace

it('callers pass the input of the schema and get the output of the other', () => {
  expectTypeOf<TaskInput<typeof Build>>().toEqualTypeOf<{
    month: string
    pages: string
    colour?: boolean | undefined
  }>()
  expectTypeOf<TaskOutput<typeof Build>>().toEqualTypeOf<{ url: string; bytes: number }>()
  expectTypeOf<TaskOutput<typeof Plain>>().toEqualTypeOf<unknown>()
  expectTypeOf<TaskInput<typeof Cleanup>>().toEqualTypeOf<undefined>()
  expect(Build.keyOf({ month: '2026-01', pages: 1, colour: true })).toBe('2026-01')
})

it('handlers see its output and return the input of the other', () => {
  expectTypeOf<TaskData<typeof Build>>().toEqualTypeOf<{ month: string; pages: number; colour: boolean }>()
  expectTypeOf<TaskReturned<typeof Build>>().toEqualTypeOf<{ url: string; bytes: string }>()
  expect(Build.name).toBe('report.build')
  expectTypeOf(Build.name).toEqualTypeOf<'report.build'>()
})

export async function calls(): Promise<void> {
  const handle = await millrace.enqueue(Build, { month: '2026-01', pages: '3' }, { priority: 'high' })
  expectTypeOf(await handle.result()).toEqualTypeOf<{ url: string; bytes: number }>()
  await millrace.enqueue(Cleanup)
  await millrace.enqueue(Cleanup, undefined, { delay: 5 })
  // @ts-expect-error -- the month is missing
  await millrace.enqueue(Build, { pages: '3' })
  // @ts-expect-error -- the input is missing
  await millrace.enqueue(Build)
  // @ts-expect-error -- no such priority
  await millrace.enqueue(Cleanup, undefined, { priority: 'urgent' })
  await millrace.enqueueMany(Plain, ['a', 'b'])
  await millrace.work(Build, async (input, task) => {
    expectTypeOf(input).toEqualTypeOf<{ month: string; pages: number; colour: boolean }>()
    if (task.attempt > 3) return task.reject('too often')
    return task.attempt > 2 ? task.retry({ after: 5 }) : { url: 'x', bytes: '3' }
  })
  // @ts-expect-error -- the output lacks its bytes
  await millrace.work(Build, async () => ({ url: 'x' }))
  await millrace.work(Plain, (tasks) => tasks.map(({ input }) => done(input.length)), { batch: { size: 10 } })
  await millrace.work(Build, (tasks) => tasks.map(async ({ input }) => done({ url: input.month, bytes: '1' })), {
    batch: { size: 10 },
  })
  // @ts-expect-error -- a handler of a batch gets a list and returns one
  await millrace.work(Plain, (input: string) => input.length, { batch: { size: 10 } })
  await millrace.work(Cleanup, () => {})
  await millrace.enqueueFlow({
    task: Build,
    input: { month: 'a', pages: '1' },
    children: [{ task: Plain, input: 'a' }],
  })
  await millrace.schedules.put('s', { every: 5_000 }, { task: Build, input: { month: 'a', pages: '1' } })
  await millrace.schedules.put('s', { every: 5_000 }, { task: Cleanup })
  await millrace.schedules.put('s', { every: 5_000 }, { task: 'known.elsewhere', input: 5 })
  // @ts-expect-error -- the month is missing
  await millrace.schedules.put('s', { every: 5_000 }, { task: Build, input: { pages: '1' } })
  // @ts-expect-error -- the input is missing
  await millrace.schedules.put('s', { every: 5_000 }, { task: Build })
}
