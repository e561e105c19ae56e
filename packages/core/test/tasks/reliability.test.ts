import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask, isMillraceError, MillraceError } from '../../src/index.ts'
import type { Engine, Stores } from '../../src/driver.ts'
import { memory } from '../../src/memory.ts'
import { taskStoresOf } from '../../src/testing.ts'
import { changed } from '../changed-engine.ts'
import { openShop } from './shop.ts'

const Job = defineTask('job', { input: z.string(), backoff: { type: 'fixed', delay: 10 } })

/** An engine that processes can be cut off from, as when they die. */
function cuttable(): { readonly engine: Engine; readonly cutOff: () => Engine } {
  const shared = memory()
  return {
    engine: shared,
    cutOff() {
      let isCut = false
      const cut = <Store extends object>(store: Store): Store =>
        new Proxy(store, {
          get(target, name, receiver) {
            const member: unknown = Reflect.get(target, name, receiver)
            if (typeof member !== 'function') return member
            return (...input: unknown[]): unknown =>
              isCut ? new Promise(() => {}) : (Reflect.apply(member, target, input) as unknown)
          },
        })
      return {
        name: 'cut',
        open(runtime) {
          const driver = shared.open(runtime)
          const stores = Object.fromEntries(
            Object.entries(driver.stores).map(([name, store]) => [name, cut(store as object)]),
          ) as unknown as Stores
          dead.add(() => {
            isCut = true
            void driver.transport.close()
          })
          return { ...driver, stores }
        },
      }
    },
  }
}
const dead = new Set<() => void>()
const kill = (): void => {
  for (const each of dead) each()
  dead.clear()
}

it('runs the tasks of a worker that died again within ten seconds', async () => {
  const { engine, cutOff } = cuttable()
  const shop = openShop({ engine })
  const { millrace, settle, runtime } = shop
  const first = shop.another({ engine: cutOff() })
  await settle(first.work(Job, () => new Promise(() => {})))
  const handle = await settle(millrace.enqueue(Job, 'a'))
  await runtime.advance(500)
  expect((await settle(millrace.tasks.get(handle.id))).state).toBe('running')
  await settle(millrace.work(Job, (input, task) => `${input}${task.attempt}`))
  kill()
  const began = runtime.monotonic()
  expect(await settle(handle.result())).toBe('a1')
  expect(runtime.monotonic() - began).toBeLessThan(10_000)
  expect(await settle(millrace.tasks.get(handle.id))).toMatchObject({ crashes: 1, starts: 2 })
})

it('makes a task dead that three workers died with, and keeps the others', async () => {
  const { engine, cutOff } = cuttable()
  const shop = openShop({ engine })
  const { millrace, settle, runtime } = shop
  const handles = await settle(millrace.enqueueMany(Job, ['poison', 'fine']))
  for (let deaths = 0; deaths < 3; deaths += 1) {
    const worker = shop.another({ engine: cutOff() })
    let began = false
    await settle(
      worker.work(
        Job,
        (input) => {
          if (input !== 'poison') return input
          began = true
          return new Promise(() => {})
        },
        { concurrency: 1 },
      ),
    )
    await runtime.advanceUntil(() => began, { withinMs: 30_000 })
    kill()
    await runtime.advance(12_000)
  }
  await settle(millrace.work(Job, (input) => input))
  await expect(settle(handles[0]?.result() ?? Promise.resolve())).rejects.toMatchObject({ code: 'task_killed_worker' })
  expect(await settle(handles[1]?.result() ?? Promise.resolve())).toBe('fine')
})

it('runs one suspect at a time in a process', async () => {
  const { engine, cutOff } = cuttable()
  const shop = openShop({ engine })
  const { millrace, settle, runtime } = shop
  const first = shop.another({ engine: cutOff() })
  const handles = await settle(millrace.enqueueMany(Job, ['a', 'b', 'c', 'd']))
  await settle(first.work(Job, () => new Promise(() => {})))
  await runtime.advance(500)
  kill()
  let running = 0
  let most = 0
  await settle(
    millrace.work(Job, async (input) => {
      most = Math.max(most, ++running)
      await new Promise<void>((resolve) => void runtime.setTimer(resolve, 300))
      running -= 1
      return input
    }),
  )
  expect(await settle(Promise.all(handles.map((handle) => handle.result())))).toEqual(['a', 'b', 'c', 'd'])
  expect(most).toBe(1)
})

it('notices that tasks were taken from a process that stood still, and fences its results', async () => {
  const shop = openShop()
  const { settle, runtime, millrace } = shop
  const other = shop.another()
  let release: (value: string) => void = () => {}
  let reason: unknown
  let stalled = true
  await settle(
    millrace.work(Job, (input, task) => {
      if (!stalled) return input
      task.signal.addEventListener('abort', () => (reason = task.signal.reason))
      return new Promise<string>((resolve) => (release = resolve))
    }),
  )
  const handle = await settle(other.enqueue(Job, 'a'))
  await runtime.advance(200)
  const [me] = await settle(other.tasks.workers())
  // Somebody else holds this process for dead and takes what it has.
  const driver = memoryStores(shop)
  await driver.leases.expel(me?.worker ?? '', await countOf(driver, me?.worker ?? ''))
  await driver.tasks?.reclaim({ worker: me?.worker ?? '', deadAfterCrashes: 3, error: FAILURE })
  stalled = false
  await runtime.advance(6_000)
  expect(isMillraceError(reason, 'task_lease_lost')).toBe(true)
  release('late')
  expect(await settle(handle.result())).toBe('a')
  expect(shop.errors.some((error) => isMillraceError(error, 'task_lease_lost'))).toBe(true)
})

it('gives back what was claimed by an exchange whose answer was lost', async () => {
  let lose = 1
  const losing = changed(memory(), (driver) => {
    const { tasks } = taskStoresOf(driver)
    return {
      tasks: {
        async exchange(request) {
          const answer = await tasks.exchange(request)
          const claimed = answer.claimed.some((each) => each.tasks.length > 0)
          if (claimed && lose-- > 0)
            throw new MillraceError('engine_unreachable', 'The answer was lost.', { retriable: true })
          return answer
        },
      },
    }
  })
  const { millrace, settle } = openShop({ engine: losing })
  const handle = await settle(millrace.enqueue(Job, 'a'))
  await settle(millrace.work(Job, (input) => input))
  expect(await settle(handle.result())).toBe('a')
  expect(await settle(millrace.tasks.get(handle.id))).toMatchObject({ crashes: 0, attempts: 0 })
})

it('settles again what an unreachable engine did not take', async () => {
  let fail = 3
  const failing = changed(memory(), (driver) => {
    const { tasks } = taskStoresOf(driver)
    return {
      tasks: {
        async exchange(request) {
          if (request.settles.length > 0 && fail-- > 0)
            throw new MillraceError('engine_unreachable', 'away', { retriable: true })
          return tasks.exchange(request)
        },
      },
    }
  })
  const { millrace, settle } = openShop({ engine: failing })
  let runs = 0
  await settle(millrace.work(Job, (input) => (runs++, input)))
  const handle = await settle(millrace.enqueue(Job, 'a'))
  expect(await settle(handle.result())).toBe('a')
  expect(runs).toBe(1)
})

const FAILURE = { code: 'task_killed_worker', message: 'died', stack: undefined, fingerprint: '0' }

function memoryStores(shop: ReturnType<typeof openShop>): Stores {
  return shop.driver.stores
}

async function countOf({ leases }: Stores, worker: string): Promise<number> {
  const { members } = await leases.observe('millrace.workers')
  return members.find(({ member }) => member === worker)?.count ?? 0
}
