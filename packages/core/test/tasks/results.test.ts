import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask, MillraceError } from '../../src/index.ts'
import type { Engine } from '../../src/driver.ts'
import { memory } from '../../src/memory.ts'
import { settleOf, taskStoresOf } from '../../src/testing.ts'
import { changed } from '../changed-engine.ts'
import { openShop } from './shop.ts'

const Job = defineTask('job', { input: z.string() })

/** An engine that drops what is done at once, and whose answers to settles wait until somebody has looked for what is gone. */
function keepsNothing(): Engine {
  return changed(memory(), (driver) => {
    const { tasks, taskAdmin } = taskStoresOf(driver)
    const missed = Promise.withResolvers<void>()
    return {
      tasks: {
        async exchange(request) {
          const answer = await tasks.exchange(request)
          if (request.settles.length === 0) return answer
          const ids = request.settles.map(({ id }) => id)
          await taskAdmin.change(ids, { action: 'discard' })
          await missed.promise
          return answer
        },
        async get(ids) {
          const rows = await tasks.get(ids)
          if (rows.length < ids.length) missed.resolve()
          return rows
        },
      },
    }
  })
}

it('gives who waits already the result of a task that ends here and is not kept', async () => {
  const { millrace, settle } = openShop({ engine: keepsNothing() })
  await settle(millrace.work(Job, (input) => `${input} is done`))
  const handle = await settle(millrace.enqueue(Job, 'a'))
  expect(await settle(handle.result())).toBe('a is done')
  await expect(settle(handle.result())).rejects.toMatchObject({ code: 'task_unknown' })
})

it('settles no more at once than an exchange can carry, and claims no more of what is large', async () => {
  const engine = refusesMoreThan(8 * 1024 * 1024)
  const { millrace, settle, errors } = openShop({ engine })
  const Large = defineTask('large', { input: z.string(), output: z.string() })
  const large = 'x'.repeat(250_000)
  const together = Promise.withResolvers<void>()
  let running = 0
  const handler = async (): Promise<string> => {
    running += 1
    if (running === 60) together.resolve()
    await together.promise
    return large
  }
  await settle(millrace.work(Large, handler, { concurrency: 60 }))
  const handles = await settle(millrace.enqueueMany(Large, Array<string>(60).fill(large)))
  const results = await settle(Promise.all(handles.map((handle) => handle.result())))
  expect(results.every((result) => result === large)).toBe(true)
  expect(errors.length).toBeLessThan(10)
})

/** An engine that gives up what takes too long to say: exchanges of more characters fail, again and again. */
function refusesMoreThan(most: number): Engine {
  const busy = new MillraceError('engine_busy', 'It took too long.', { retriable: true })
  return changed(memory(), (driver) => {
    const { tasks } = taskStoresOf(driver)
    return {
      tasks: {
        async exchange(request) {
          if (JSON.stringify(request.settles).length > most) throw busy
          const answer = await tasks.exchange(request)
          const claimed = answer.claimed.flatMap(({ tasks: given }) => given)
          if (claimed.reduce((sum, { body }) => sum + body.length, 0) <= most) return answer
          // What nobody heard of goes back.
          const settles = claimed.map(({ id, starts }) => settleOf({ id, starts }, { as: 'release' }))
          await tasks.exchange({ worker: request.worker, settles, notes: [], claims: [] })
          throw busy
        },
      },
    }
  })
}

/** An engine whose hints come from the test, and that tells how many tasks it was asked for each time. */
function hinting(): {
  readonly engine: Engine
  readonly looks: number[]
  hint(queue: string): void
  /** Called when the store has read and not answered yet. */
  onRead: () => void
} {
  const listeners = new Set<(queues: readonly string[]) => void>()
  const looks: number[] = []
  const told = {
    looks,
    hint: (queue: string) => listeners.forEach((listener) => listener([queue])),
    onRead: (): void => {},
  }
  const engine = changed(memory(), (driver) => {
    const { tasks } = taskStoresOf(driver)
    return {
      tasks: {
        async get(ids) {
          looks.push(ids.length)
          const rows = await tasks.get(ids)
          told.onRead()
          return rows
        },
        listen(listener) {
          listeners.add(listener)
          return { arriving: true, stop: () => void listeners.delete(listener) }
        },
      },
    }
  })
  return Object.assign(told, { engine })
}

it('does not ask for what is waited for when other queues have changed', async () => {
  const hinted = hinting()
  const { millrace, settle, runtime } = openShop({ engine: hinted.engine })
  const handle = await settle(millrace.enqueue(Job, 'a'))
  const result = handle.result({ timeout: 0 }).catch(() => undefined)
  await runtime.advance(5_000)
  const before = hinted.looks.length
  for (let hints = 0; hints < 20; hints += 1) {
    hinted.hint('other')
    await runtime.advance(10)
  }
  expect(hinted.looks.length - before).toBeLessThanOrEqual(1)
  await settle(millrace.tasks.cancel([handle.id]))
  await settle(result)
})

it('looks again at once when something has ended while it was looking', async () => {
  const hinted = hinting()
  const shop = openShop({ engine: hinted.engine })
  const { millrace, settle, runtime } = shop
  const handle = await settle(millrace.enqueue(Job, 'a'))
  let answered: unknown
  const result = handle.result({ timeout: 0 }).catch((error: { code: string }) => (answered = error.code))
  await runtime.advance(5_000)
  const { taskAdmin } = taskStoresOf(shop.driver)
  const read = Promise.withResolvers<void>()
  hinted.onRead = () => {
    hinted.onRead = () => {}
    void taskAdmin.change([handle.id], { action: 'cancel' })
    hinted.hint('job')
    read.resolve()
  }
  await settle(read.promise)
  await runtime.advance(15)
  expect(answered).toBe('task_cancelled')
  await settle(result)
})

it('asks for many that are waited for less often, however many hints come', async () => {
  const hinted = hinting()
  const { millrace, settle, runtime } = openShop({ engine: hinted.engine })
  const asked = async (count: number): Promise<number> => {
    const handles = await settle(millrace.enqueueMany(Job, Array<string>(count).fill('a')))
    const results = Promise.allSettled(handles.map((handle) => handle.result({ timeout: 0 })))
    await runtime.advance(5_000)
    hinted.looks.length = 0
    for (let hints = 0; hints < 1_000; hints += 1) {
      hinted.hint('job')
      await runtime.advance(1)
    }
    const tasks = hinted.looks.reduce((sum, each) => sum + each, 0)
    await settle(millrace.tasks.cancel(handles.map(({ id }) => id)))
    await settle(results)
    return tasks
  }
  expect(await asked(1)).toBeGreaterThan(80)
  expect(await asked(1_000)).toBeLessThan(12_000)
})
