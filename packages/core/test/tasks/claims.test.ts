import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/index.ts'
import { memory } from '../../src/memory.ts'
import type { TaskStore } from '../../src/driver.ts'
import { createExchangeLoop } from '../../src/tasks/exchange-loop.ts'
import { taskStoresOf, testRuntime } from '../../src/testing.ts'
import { changed } from '../changed-engine.ts'
import { openShop } from './shop.ts'

const Job = defineTask('job', { input: z.string(), output: z.string() })
const FAILURE = { code: 'task_killed_worker', message: 'died', stack: undefined, fingerprint: '0' }

it('does not forget a hint that comes while an exchange is under way', async () => {
  let hold: Promise<void> | undefined
  const slow = changed(memory(), (driver) => {
    const { tasks } = taskStoresOf(driver)
    return {
      tasks: {
        listen: () => ({ arriving: true, stop: () => {} }),
        async exchange(request) {
          const answer = await tasks.exchange(request)
          await hold
          return answer
        },
      },
    }
  })
  const shop = openShop({ engine: slow })
  const { millrace, settle, runtime } = shop
  await settle(millrace.work(Job, (input) => input))
  await runtime.advance(1_000)
  let release = (): void => {}
  hold = new Promise((resolve) => (release = resolve))
  // The worker looks by itself; what it is given is decided before the task is there.
  await runtime.advance(11_000)
  const handle = await settle(millrace.enqueue(Job, 'second'))
  release()
  hold = undefined
  await runtime.advance(500)
  expect((await settle(millrace.tasks.get(handle.id))).state).toBe('done')
})

it('takes suspects again after one of its own was taken from it', async () => {
  const shop = openShop()
  const { millrace, settle, runtime, driver } = shop
  const other = shop.another()
  const { tasks, leases } = driver.stores
  const handles = await settle(other.enqueueMany(Job, ['a', 'b']))
  // A worker that died with both.
  await tasks?.exchange({
    worker: 'dead',
    settles: [],
    notes: [],
    claims: [{ queue: 'job', names: ['job'], limit: 2, suspects: 0 }],
  })
  await tasks?.reclaim({ worker: 'dead', deadAfterCrashes: 3, error: FAILURE })
  let stalled = true
  await settle(
    millrace.work(Job, (input) => {
      if (!stalled) return input
      stalled = false
      return new Promise<string>(() => {})
    }),
  )
  await runtime.advance(500)
  const [me] = await settle(other.tasks.workers())
  const worker = me?.worker ?? ''
  const { members } = await leases.observe('millrace.workers')
  await leases.expel(worker, members.find(({ member }) => member === worker)?.count ?? 0)
  await runtime.advance(30_000)
  const states = await Promise.all(handles.map(({ id }) => settle(millrace.tasks.get(id))))
  expect(states.map(({ state }) => state)).toEqual(['done', 'done'])
})

it('sends nothing more of a task that was taken from it', async () => {
  let exchanges = 0
  const counting = changed(memory(), (driver) => {
    const { tasks } = taskStoresOf(driver)
    return { tasks: { exchange: (request) => (exchanges++, tasks.exchange(request)) } }
  })
  const shop = openShop({ engine: counting })
  const { millrace, settle, runtime, driver } = shop
  const { leases } = driver.stores
  const handle = await settle(millrace.enqueue(Job, 'a'))
  let runs = 0
  await settle(
    millrace.work(Job, (input, task) => {
      if (runs++ > 0) return input
      const chatter = (): void => {
        task.log('still here')
        if (!task.signal.aborted) runtime.setTimer(chatter, 50)
      }
      chatter()
      return new Promise<string>(() => {})
    }),
  )
  await runtime.advance(500)
  const { members } = await leases.observe('millrace.workers')
  for (const { member, count } of members) await leases.expel(member, count)
  await runtime.advance(30_000)
  expect((await settle(millrace.tasks.get(handle.id))).state).toBe('done')
  const before = exchanges
  await runtime.advance(20_000)
  expect(exchanges - before).toBeLessThan(10)
})

it('takes no tasks from a worker that counts up just before it is expelled', async () => {
  const race: { before?: () => Promise<void> } = {}
  const racing = changed(memory(), ({ stores: { leases } }) => ({
    leases: {
      async expel(member, count) {
        await race.before?.()
        await leases.expel(member, count)
      },
    },
  }))
  const shop = openShop({ engine: racing })
  const { millrace, settle, runtime, driver } = shop
  const { tasks, leases } = driver.stores
  const handle = await settle(millrace.enqueue(Job, 'a'))
  const alive = new Int32Array(new SharedArrayBuffer(4))
  const beat = { everyMs: 1_000, aliveWithinMs: 2_000, alive }
  const info = { member: 'slow', group: 'millrace.workers', label: '{}', filterEpoch: 0 }
  await leases.join(info, beat)
  await tasks?.exchange({
    worker: 'slow',
    settles: [],
    notes: [],
    claims: [{ queue: 'job', names: ['job'], limit: 2, suspects: 0 }],
  })
  race.before = async () => {
    alive[0] = (alive[0] ?? 0) + 1
    await leases.join(info, beat)
    await runtime.advance(1_100)
  }
  await settle(millrace.work(Job, (input) => input))
  for (let i = 0; i < 40; i += 1) await runtime.advance(500)
  expect(await settle(millrace.tasks.get(handle.id))).toMatchObject({ state: 'running', worker: 'slow', crashes: 0 })
})

it('lets no exchange begin before the last of those who want to be alone is done', async () => {
  const runtime = testRuntime(1)
  let exchanges = 0
  const store = {
    exchange: async () => ((exchanges += 1), { settled: [], claimed: [], cancel: [] }),
  } as unknown as TaskStore
  const none = (): void => {}
  const loop = createExchangeLoop({
    store,
    runtime,
    lines: new Map(),
    worker: () => 'me',
    backstopMs: () => 1_000,
    progressOf: () => undefined,
    onSettled: none,
    onFenced: none,
    onFailed: none,
  })
  let endFirst = none
  let endSecond = none
  const first = loop.alone(() => new Promise<void>((resolve) => (endFirst = resolve)))
  const second = loop.alone(() => new Promise<void>((resolve) => (endSecond = resolve)))
  await runtime.advance(10)
  endFirst()
  await first
  await runtime.advance(10)
  expect(exchanges).toBe(0)
  endSecond()
  await second
  await runtime.advance(10)
  expect(exchanges).toBe(1)
  loop.stop()
})

it('begins no suspect while it holds another, also one of another queue', async () => {
  const held = new Set<string>()
  const watched = changed(memory(), (driver) => {
    const { tasks } = taskStoresOf(driver)
    return {
      tasks: {
        async exchange(request) {
          const answer = await tasks.exchange(request)
          for (const { id } of request.settles) held.delete(id)
          for (const { id, crashes } of answer.claimed.flatMap((claim) => claim.tasks)) if (crashes > 0) held.add(id)
          return answer
        },
      },
    }
  })
  const Others = ['other', 'third'].map((name) => defineTask(name, { input: z.string(), output: z.string() }))
  const { millrace, settle, driver } = openShop({ engine: watched })
  const handles = []
  for (const task of [Job, ...Others]) handles.push(...(await settle(millrace.enqueueMany(task, ['a', 'b', 'c']))))
  const { tasks } = driver.stores
  const claims = ['job', 'other', 'third'].map((name) => ({ queue: name, names: [name], limit: 10, suspects: 0 }))
  await tasks?.exchange({ worker: 'dead', settles: [], notes: [], claims })
  await tasks?.reclaim({ worker: 'dead', deadAfterCrashes: 3, error: FAILURE })
  const together: number[] = []
  const begin = (input: string): string => {
    together.push(held.size)
    return input
  }
  await settle(Promise.all([Job, ...Others].map((task) => millrace.work(task, begin))))
  for (const handle of handles) await settle(handle.result())
  expect(together).toEqual(handles.map(() => 1))
})
