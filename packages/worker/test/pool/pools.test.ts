import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MillraceError } from '@millrace/core'
import { waitFor } from '@millrace/core/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { processPool, threadPool, type HandlerPool, type HandlerPoolOptions } from '../../src/index.ts'
import { watchedTask } from './task-context.ts'

const file = new URL('./handlers.ts', import.meta.url)
const open: HandlerPool[] = []
const nothing = (): void => {}

afterEach(async () => {
  await Promise.all(open.splice(0).map((pool) => pool.close()))
})

type Options = Omit<HandlerPoolOptions, 'file'> & { readonly size?: number }

const kinds = {
  thread: ({ size = 1, ...options }: Options) => threadPool<unknown, unknown>({ file, threads: size, ...options }),
  process: ({ size = 1, ...options }: Options) => processPool<unknown, unknown>({ file, processes: size, ...options }),
}

describe.each(['thread', 'process'] as const)('a pool of %s', (kind) => {
  function pool(handler: string, options: Options = {}): HandlerPool {
    const made = kinds[kind]({ handler, ...options })
    open.push(made)
    return made
  }

  /** One place, and so the next task comes to where the one before has been. */
  function poolOf(options: Options = {}): (handler: string, input?: unknown) => Promise<unknown> {
    const made = pool('dispatch', options)
    return (handler, input) => Promise.resolve(made({ handler, input }, watchedTask().task))
  }

  test('runs TypeScript as it is and gives back what it returns', async () => {
    const made = pool('default')
    expect(await made({ n: 21 }, watchedTask().task)).toBe(42)
    expect(made.status).toEqual({ running: 0, waiting: 0, done: 1, failed: 0 })
  })

  test('hands over more than JSON, and what the handler must know of its task', async () => {
    const input = { day: new Date(0), seen: new Map([['a', 1n]]) }
    expect(await pool('echo')(input, watchedTask().task)).toEqual(input)
    expect(await pool('context')(undefined, watchedTask('t-9').task)).toEqual({
      id: 't-9',
      name: 'image.resize',
      queue: 'images',
      key: 'k',
      attempt: 2,
      metadata: { correlationId: 'c-1' },
    })
  })

  test('passes progress on, gathered, and the log, and the children', async () => {
    const { task, reports, lines } = watchedTask()
    expect(await pool('talk')(undefined, task)).toEqual(await task.children())
    expect(reports.at(-1)).toEqual({ done: 1_000, total: 1_000, stage: 'counting' })
    expect(reports.length).toBeLessThan(500)
    expect(lines).toEqual(['first', 'last'])
  })

  test('a failure comes over with its name, code and stack, a wish as what it is', async () => {
    const thrown = await Promise.resolve(pool('fail')(undefined, watchedTask().task)).catch((error: unknown) => error)
    expect(thrown).toMatchObject({ name: 'TypeError', message: 'the picture is upside down', code: 'upside_down' })
    expect((thrown as Error).stack).toContain('handlers.ts')
    const wish = pool('wish')
    expect(await wish({ kind: 'retry' }, watchedTask().task)).toEqual({ outcome: 'retry', afterMs: 50 })
    expect(await wish({ kind: 'reject' }, watchedTask().task)).toEqual({ outcome: 'reject', reason: 'no picture' })
  })

  test('an output that cannot leave fails its task alone, with what to do', async () => {
    const run = poolOf()
    await expect(run('unsendable')).rejects.toMatchObject({ code: 'task_output_invalid' })
    expect(await run('echo', 1)).toBe(1)
  })

  test('a handler that exits fails its task alone, and the pool heals', async () => {
    const run = poolOf({ size: 2 })
    const neighbour = run('slow', { ms: 400 })
    const failure = run('leave')
    await expect(failure).rejects.toMatchObject({ code: 'task_pool_failed', retriable: true, facts: { kind } })
    expect(await neighbour).toMatch(/^\d+:\d+$/)
    expect(await Promise.all([run('echo', 1), run('echo', 2), run('echo', 3)])).toEqual([1, 2, 3])
  })

  test('a handler that exits is not run again by the pool: that is for the task to decide', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-pool-'))
    try {
      const into = join(folder, 'exits')
      const deadly = Promise.resolve(pool('exitAndTell')({ into }, watchedTask().task))
      await expect(deadly).rejects.toMatchObject({ code: 'task_pool_failed' })
      expect(readFileSync(into, 'utf8')).toBe('exit\n')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('a handler that throws outside fails its task alone, with what it threw', async () => {
    const run = poolOf()
    await expect(run('throwOutside')).rejects.toThrow('thrown by a timer')
    expect(await run('echo', 1)).toBe(1)
  })

  test('what a task leaves behind does not fail the next task of its place, and the place is replaced', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
    const run = poolOf()
    const first = await run('throwBeside')
    expect(await run('slow', { ms: 300 })).toBe(first)
    expect(await run('where')).not.toBe(first)
    expect((await warned).message).toContain('thrown after the end')
  })

  test('what is left behind when nothing runs is told of with the next task', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
    const run = poolOf()
    const first = await run('throwLater', { afterMs: 0 })
    for (let place = first; place === first;) place = await run('where')
    expect((await warned).message).toContain('thrown after the end')
  })

  test('an abort is heard inside, and who heeds it keeps the place', async () => {
    const made = pool('dispatch', { graceMs: 60_000 })
    const { task, abort, reports } = watchedTask()
    const before = await made({ handler: 'where' }, watchedTask().task)
    const waiting = Promise.resolve(made({ handler: 'waitForAbort' }, task))
    waiting.catch(nothing)
    await waitFor(() => reports.length > 0)
    abort(new Error('cancelled by hand'))
    await expect(waiting).rejects.toThrow('stopped because: cancelled by hand')
    expect(await made({ handler: 'where' }, watchedTask().task)).toBe(before)
  })

  test('a handler that blocks is really stopped, and its neighbours go on', async () => {
    const made = pool('dispatch', { size: 2, graceMs: 50 })
    const { task, abort, reports } = watchedTask()
    const neighbour = made({ handler: 'slow', input: { ms: 600 } }, watchedTask().task)
    const blocked = Promise.resolve(made({ handler: 'block' }, task))
    blocked.catch(nothing)
    await waitFor(() => reports.length > 0)
    abort(new MillraceError('task_timeout', 'The task took longer than its timeout.'))
    await expect(blocked).rejects.toMatchObject({ code: 'task_timeout' })
    expect(await neighbour).toMatch(/^\d+:\d+$/)
    expect(made.status).toMatchObject({ running: 0, waiting: 0 })
    expect(await made({ handler: 'echo', input: 5 }, watchedTask().task)).toBe(5)
  })

  test('a task that uses too much memory fails alone', async () => {
    const run = poolOf({ size: 2, memoryMb: 64 })
    const neighbour = run('slow', { ms: 100 })
    await expect(run('leak')).rejects.toMatchObject({ code: 'task_pool_failed' })
    expect(await neighbour).toMatch(/^\d+:\d+$/)
    expect(await run('echo', 1)).toBe(1)
  })

  test('one at a time in each place; who waits can be called off', async () => {
    const made = pool('dispatch')
    const { task, abort } = watchedTask()
    const first = made({ handler: 'slow', input: { ms: 100 } }, watchedTask().task)
    const second = Promise.resolve(made({ handler: 'echo', input: 2 }, task))
    const third = made({ handler: 'echo', input: 3 }, watchedTask().task)
    expect(made.status).toMatchObject({ running: 1, waiting: 2 })
    abort(new Error('not wanted any more'))
    await expect(second).rejects.toThrow('not wanted any more')
    expect(await first).toMatch(/^\d+:\d+$/)
    expect(await third).toBe(3)
  })

  test('places are replaced after so many tasks', async () => {
    const run = poolOf({ tasksEach: 2 })
    const places = [await run('where'), await run('where'), await run('where')]
    expect(places[1]).toBe(places[0])
    expect(places[2]).not.toBe(places[0])
  })

  test('an unknown export and a module that cannot be loaded say so', async () => {
    await expect(pool('nowhere')(undefined, watchedTask().task)).rejects.toMatchObject({ code: 'config_invalid' })
    const broken = { thread: threadPool, process: processPool }[kind]<unknown, unknown>({
      file: new URL('./broken.ts', import.meta.url),
    })
    open.push(broken)
    await expect(broken(undefined, watchedTask().task)).rejects.toThrow('this module is broken')
  })

  test('closing ends what runs and starts nothing new', async () => {
    const made = pool('dispatch')
    const { task, reports } = watchedTask()
    const running = Promise.resolve(made({ handler: 'waitForAbort' }, task))
    running.catch(nothing)
    await waitFor(() => reports.length > 0)
    await made.close()
    await expect(running).rejects.toMatchObject({ code: 'task_pool_failed' })
    await expect(made({ handler: 'echo' }, watchedTask().task)).rejects.toMatchObject({ code: 'closed' })
  })
})

test('a process pool outlives a task whose memory V8 cannot refuse without ending the process', async () => {
  const made = processPool<unknown, unknown>({ file, handler: 'dispatch', processes: 1, memoryMb: 64 })
  open.push(made)
  await expect(made({ handler: 'hog' }, watchedTask().task)).rejects.toMatchObject({ code: 'task_pool_failed' })
  expect(await made({ handler: 'echo', input: 1 }, watchedTask().task)).toBe(1)
})

test('a process pool ends a task that takes its memory beside the heap', async () => {
  const made = processPool<unknown, unknown>({ file, handler: 'dispatch', processes: 1, memoryMb: 64 })
  open.push(made)
  await expect(made({ handler: 'hoard' }, watchedTask().task)).rejects.toMatchObject({ code: 'task_pool_failed' })
  expect(await made({ handler: 'echo', input: 1 }, watchedTask().task)).toBe(1)
})

test.each([
  [{ file: 'resize.ts' }, 'file'],
  [{ file: new URL('https://example.org/x.ts') }, 'file'],
  [{ file: new URL('./nowhere.ts', import.meta.url) }, 'file'],
  [{ file, threads: 0 }, 'threads'],
  [{ file, threads: 1.5 }, 'threads'],
  [{ file, memoryMb: 1 }, 'memoryMb'],
  [{ file, graceMs: NaN }, 'graceMs'],
  [{ file, tasksEach: 0 }, 'tasksEach'],
  [{ file, processes: 2 } as { file: typeof file }, 'processes'],
])('refuses %o', (options, path) => {
  expect(() => threadPool(options)).toThrow(expect.objectContaining({ code: 'config_invalid', path }))
})
