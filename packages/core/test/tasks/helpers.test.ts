import { expect, it } from 'vitest'
import { z } from 'zod'
import { createMillrace, defineTask, type TaskHandler } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import { enqueuedTasks, runTaskInline, waitForTask } from '../../src/testing.ts'

const Count = defineTask('count', {
  input: z.object({ to: z.number() }),
  output: z.number(),
  backoff: { type: 'fixed', delay: 500 },
  attempts: 2,
})
const count: TaskHandler<{ to: number }, number> = (input, task) => {
  if (input.to < 0) throw new Error('down is not up')
  for (let done = 0; done <= input.to; done += 1) task.progress({ done, total: input.to })
  task.log(`counted to ${input.to}`)
  return input.to
}

it('runs a handler inline, with its progress and logs', async () => {
  const run = await runTaskInline(Count, count, { to: 4 })
  expect(run).toMatchObject({ state: 'done', output: 4, logs: ['counted to 4'] })
  expect(run.progress.map(({ percent }) => percent)).toEqual([0, 25, 50, 75, 100])
})

it('tells what a worker would have decided', async () => {
  expect(await runTaskInline(Count, count, { to: -1 })).toMatchObject({ state: 'retry', retryAfterMs: 500 })
  expect(await runTaskInline(Count, count, { to: -1 }, { attempt: 2 })).toMatchObject({
    state: 'dead',
    error: { code: 'task_failed', message: 'down is not up' },
  })
  await expect(runTaskInline(Count, count, { to: 'x' } as never)).rejects.toMatchObject({ code: 'task_input_invalid' })
})

it('lists what was enqueued and waits for a task, in real time', async () => {
  await using millrace = createMillrace({ engine: memory() })
  const handle = await millrace.enqueue(Count, { to: 1 })
  await millrace.enqueue(Count, { to: 2 }, { delay: 60_000 })
  await millrace.work(Count, count)
  expect(await waitForTask(millrace, handle.id, 'done')).toMatchObject({ output: 1 })
  expect((await enqueuedTasks(millrace, Count)).map(({ input }) => input.to)).toEqual([1, 2])
})
