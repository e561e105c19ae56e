import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createMillrace, defineTask, type Millrace } from '@millrace/core'
import type { StandardSchema } from '@millrace/core/contract'
import { memory } from '@millrace/core/memory'
import { waitFor } from '@millrace/core/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { processPool, threadPool } from '../../src/index.ts'
import { watchedTask } from './task-context.ts'

const file = new URL('./handlers.ts', import.meta.url)
const waiting = { timeoutMs: 60_000 }
const open: Millrace[] = []
const wait = { timeout: 60_000 }

afterEach(async () => {
  await Promise.all(open.splice(0).map((millrace) => millrace.close()))
})

function start(): Millrace {
  const millrace = createMillrace({ engine: memory(), name: 'pools', onError: () => {} })
  open.push(millrace)
  return millrace
}

/** Any input, as it is. */
const anything: StandardSchema<{ readonly handler: string; readonly input?: unknown }> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as { readonly handler: string } }) },
}
const Work = defineTask('pool.work', { input: anything, attempts: 1 })
const Retried = defineTask('pool.retried', {
  input: anything,
  attempts: 2,
  backoff: { type: 'fixed', delay: 1, jitter: false },
})

describe.each([
  [
    'threads',
    (options: { readonly memoryMb?: number }) =>
      threadPool({ file, handler: 'dispatch', threads: 2, graceMs: 50, ...options }),
  ],
  [
    'processes',
    (options: { readonly memoryMb?: number }) =>
      processPool({ file, handler: 'dispatch', processes: 2, graceMs: 50, ...options }),
  ],
] as const)('tasks in %s', (_, pool) => {
  test('come out with their output, progress and log', async () => {
    const millrace = start()
    await millrace.work(Work, pool({}))
    const handle = await millrace.enqueue(Work, { handler: 'talk' })
    expect(await handle.result(wait)).toEqual([])
    expect(await millrace.tasks.progress(handle.id)).toMatchObject({ done: 1_000, percent: 100, stage: 'counting' })
    expect(await millrace.tasks.logs(handle.id)).toEqual(['first', 'last'])
  })

  test('one that blocks past its time is stopped, and another is done meanwhile', async () => {
    const millrace = start()
    const handler = pool({})
    await millrace.work(Work, handler)
    const blocked = await millrace.enqueue(Work, { handler: 'block' }, { timeout: 1_500 })
    const other = await millrace.enqueue(Work, { handler: 'echo', input: 1 })
    expect(await other.result(wait)).toBe(1)
    await expect(blocked.result(wait)).rejects.toMatchObject({ code: 'task_timeout' })
    await waitFor(() => handler.status.running === 0, waiting)
    expect(await (await millrace.enqueue(Work, { handler: 'echo', input: 2 })).result(wait)).toBe(2)
  })

  test('one that is cancelled while it blocks is stopped', async () => {
    const millrace = start()
    const handler = pool({})
    const Endless = defineTask('pool.endless', { input: anything })
    await millrace.work(Endless, handler)
    const blocked = await millrace.enqueue(Endless, { handler: 'block' })
    await waitFor(async () => (await millrace.tasks.progress(blocked.id)) !== undefined, waiting)
    await millrace.tasks.cancel([blocked.id])
    await expect(blocked.result(wait)).rejects.toMatchObject({ code: 'task_cancelled' })
    await waitFor(() => handler.status.running === 0, waiting)
  })

  test('one that exits has failed attempts, each with the reason, and its neighbours are done', async () => {
    const millrace = start()
    await millrace.work(Retried, pool({}))
    const deadly = await millrace.enqueue(Retried, { handler: 'leave' })
    const others = await millrace.enqueueMany(
      Retried,
      Array.from({ length: 10 }, (_unused, input) => ({ handler: 'echo', input })),
    )
    expect(await Promise.all(others.map((handle) => handle.result(wait)))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    await expect(deadly.result(wait)).rejects.toMatchObject({ name: 'MillraceError' })
    expect(await millrace.tasks.get(deadly.id)).toMatchObject({
      state: 'dead',
      error: { message: expect.stringContaining('process.exit') },
    })
  })

  test('end with their worker', async () => {
    const millrace = start()
    const handler = pool({})
    const worker = await millrace.work(Work, handler)
    expect(worker.status.concurrency).toBe(2)
    await (await millrace.enqueue(Work, { handler: 'echo' })).result(wait)
    await worker.stop()
    const call = Promise.resolve(handler({ handler: 'echo' }, watchedTask().task))
    await expect(call).rejects.toMatchObject({ code: 'closed' })
  })
})

test('the processes of a pool go when their worker is killed', async () => {
  const program = fileURLToPath(new URL('./pool-owner.ts', import.meta.url))
  const owner = spawn(process.execPath, ['--conditions=millrace-source', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  owner.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const pid = Number((await waitFor(() => /^"(\d+):/.exec(output) ?? undefined, waiting))[1])
  expect(pid).not.toBe(owner.pid)
  owner.kill('SIGKILL')
  await waitFor(() => {
    try {
      process.kill(pid, 0)
      return false
    } catch {
      return true
    }
  }, waiting)
})
